import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createCleanup } from "../../test/harness/cleanup.ts";
import { buildImage } from "../../test/harness/image-builder.ts";
import { startRegistry } from "../../test/harness/registry.ts";
import { suiteContainerd } from "./testing.ts";

const host = "registry.test:5000";

void describe("pulling over CRI", () => {
  const suite = suiteContainerd();

  void test("gives the image's id, keeps the content in the lease, and the image can be removed", async (t) => {
    const { cri, leases, content } = suite.containerd;
    const registry = await startRegistry({ cleanup: createCleanup(t) });
    const image = await buildImage({ layers: [{ files: { a: "text" } }] });
    await registry.add("app:v1", image);
    await registry.attach(suite.node, host);
    await leases.create({ id: "pull" });
    assert.equal(await cri.pullImage(`${host}/app:v1`, { lease: "pull" }), image.config.digest);
    const held = new Set((await leases.resources("pull")).map(({ id }) => id));
    for (const digest of image.blobs.keys()) assert.ok(held.has(digest), digest);
    assert.deepEqual((await cri.imageStatus(`${host}/app:v1`))?.repoTags, [`${host}/app:v1`]);

    await cri.removeImage(image.config.digest);
    assert.equal(await cri.imageStatus(`${host}/app:v1`), undefined);
    assert.notEqual(await content.info(image.config.digest), undefined);
    await leases.delete("pull", { sync: true });
    assert.equal(await content.info(image.config.digest), undefined);
  });

  void test("says what failed when the registry is gone, and ends with the caller's signal", async (t) => {
    const { cri } = suite.containerd;
    const registry = await startRegistry({ cleanup: createCleanup(t) });
    await registry.attach(suite.node, host);
    await assert.rejects(cri.pullImage(`${host}/nothing:v1`), /nothing:v1.*not found/);
    const image = await buildImage({ layers: [{ files: { a: "other" } }] });
    await registry.add("slow:v1", image);
    registry.fault(image.config.digest, { kind: "silent" });
    const signal = AbortSignal.timeout(500);
    await assert.rejects(cri.pullImage(`${host}/slow:v1`, { signal }), /\[canceled\]/);
  });
});
