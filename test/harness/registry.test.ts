import assert from "node:assert/strict";
import { test } from "node:test";
import { assertImageRuns } from "./assert-image.ts";
import { createCleanup } from "./cleanup.ts";
import type { TestLike } from "./cleanup.ts";
import { startContainerd } from "./containerd-node.ts";
import type { ContainerdNode, ContainerdOptions } from "./containerd-node.ts";
import { imageStatus, pullImage } from "./cri.ts";
import { ctr } from "./ctr.ts";
import { buildRunnableImage } from "./image-builder.ts";
import type { BuiltImage } from "./image-builder.ts";
import { buildIndex } from "./image-index.ts";
import type { BuiltIndex } from "./image-index.ts";
import { startRegistry } from "./registry.ts";
import type { Registry } from "./registry.ts";
import { waitFor } from "./wait.ts";

const host = "registry.test:5000";
const name = `${host}/team/app:v1`;

interface Setup {
  readonly node: ContainerdNode;
  readonly registry: Registry;
  readonly image: BuiltImage;
  readonly index: BuiltIndex;
}

async function setUp(t: TestLike, options: Partial<ContainerdOptions> = {}): Promise<Setup> {
  const cleanup = createCleanup(t);
  const node = await startContainerd({ name: "a", cleanup, ...options });
  const image = await buildRunnableImage({
    output: "pulled",
    layers: [{ files: { data: { size: 300_000, fill: "random", seed: "1" } } }],
  });
  const index = buildIndex({
    images: [image],
    absent: [{ os: "linux", architecture: "s390x" }],
    attestations: true,
  });
  const registry = await startRegistry({ cleanup });
  await registry.add("team/app:v1", index);
  await registry.attach(node, host);
  return { node, registry, image, index };
}

void test("a CRI pull by tag leaves an index with one platform present, under realistic names", async (t) => {
  const { node, registry, image, index } = await setUp(t);
  assert.equal(await imageStatus(node, name), undefined);
  assert.equal(await pullImage(node, name), image.config.digest);
  const { digest } = index.descriptor;
  assert.deepEqual((await ctr(node).images()).map((record) => record.name).sort(), [
    name,
    `${host}/team/app@${digest}`,
    image.config.digest,
  ]);
  const present = (await ctr(node).content()).map((record) => record.digest).sort();
  assert.deepEqual(present, [digest, ...image.blobs.keys()].sort());
  const layer = (await ctr(node).content()).find((record) => record.digest === image.layers[1]?.digest);
  assert.equal(layer?.labels["containerd.io/distribution.source.registry.test"], "team/app");
  assert.ok(registry.requests.length > 0 && registry.requests.every((request) => request.status === 200));
  await assertImageRuns(node, name, "pulled");
});

void test("docker.io short names are pulled from the registry that stands in for docker.io", async (t) => {
  const { node, registry, image } = await setUp(t);
  await registry.add("library/tool:1.0", image);
  await registry.attach(node, "docker.io");
  await pullImage(node, "tool:1.0");
  const status = await imageStatus(node, "tool:1.0");
  assert.deepEqual(status?.repoTags, ["docker.io/library/tool:1.0"]);
});

void test("a node that discards unpacked layers has no layer blobs after a pull, and runs the image", async (t) => {
  const { node, image } = await setUp(t, { discardUnpackedLayers: true });
  await pullImage(node, name);
  await ctr(node).forceGc();
  const present = new Set((await ctr(node).content()).map((record) => record.digest));
  assert.deepEqual(
    image.layers.filter((layer) => present.has(layer.digest)),
    [],
  );
  await assertImageRuns(node, name, "pulled", { fromBlobs: false });
});

void test("a pull hangs on a blob that hangs, and is given up by its caller", async (t) => {
  const { node, registry, image } = await setUp(t);
  const layer = image.layers[1]?.digest ?? "";
  registry.fault(layer, { kind: "hang", afterBytes: 100_000 });
  const giveUp = new AbortController();
  const pull = pullImage(node, name, { signal: giveUp.signal });
  const failed = assert.rejects(pull, /CANCELLED/);
  await waitFor("the unfinished write", async () => {
    return (await ctr(node).ingests()).includes(`layer-${layer}`);
  });
  giveUp.abort();
  await failed;
  registry.heal();
  // what the first pull left goes while the second looks at it: a kubelet, too, tries again
  await waitFor("a pull to succeed", async () => await pullImage(node, name));
  await assertImageRuns(node, name, "pulled");
});

void test("a registry that has lost the image, wants a password or is gone makes pulls fail as in an outage", async (t) => {
  const { node, registry } = await setUp(t);
  registry.fault("v1", { kind: "status", status: 404 });
  await assert.rejects(pullImage(node, name), /not found/);
  registry.heal();
  registry.requireAuth("user", "secret");
  await assert.rejects(pullImage(node, name), /authorization failed|401/);
  await pullImage(node, name, { auth: { username: "user", password: "secret" } });
  await registry.close();
  await assert.rejects(pullImage(node, `${host}/team/app:v2`), /connection refused/);
});

void test("blobs are served from an offset, cut, silent or missing as told", async (t) => {
  const cleanup = createCleanup(t);
  const registry = await startRegistry({ cleanup });
  const image = await buildRunnableImage({ output: "x" });
  await registry.add("app:v1", image);
  const { digest, size } = image.config;
  const url = `${registry.url}/v2/app/blobs/${digest}`;
  const ranged = await fetch(url, { headers: { Range: "bytes=10-" } });
  assert.deepEqual([ranged.status, (await ranged.bytes()).length], [206, size - 10]);
  assert.equal(ranged.headers.get("content-range"), `bytes 10-${size - 1}/${size}`);
  assert.equal((await fetch(`${registry.url}/v2/other/blobs/${digest}`)).status, 404);

  registry.fault(digest, { kind: "cut", afterBytes: 5 });
  await assert.rejects(async () => (await fetch(url)).bytes(), /terminated/);
  registry.fault(digest, { kind: "silent" });
  await assert.rejects(fetch(url, { signal: AbortSignal.timeout(200) }), { name: "TimeoutError" });
  registry.heal();
  assert.equal((await fetch(url)).status, 200);
  registry.remove("app:v1");
  assert.equal((await fetch(`${registry.url}/v2/app/manifests/v1`)).status, 404);
  assert.deepEqual(
    registry.requests.map((request) => request.status),
    [206, 404, 200, 0, 200, 404],
  );
});
