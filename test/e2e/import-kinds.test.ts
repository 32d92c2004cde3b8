import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { buildRunnableImage, type Built } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";

const HOST = "registry.test:5000";

describe("an image of any kind moves and runs", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  /** Puts the image on node a, imports it on node b, and proves that the kubelet would see it and that it runs. */
  async function move(image: Built & { readonly output: string }, name: string, onSource = name): Promise<void> {
    const b = rig.node("b");
    await loadImage(rig.node("a").containerd, image, { names: [onSource] });
    assert.equal(await imageStatus(b.containerd, name), undefined, "CRI on b knows the image beforehand");
    const result = await rig.import({ image, names: [name], target: "b" });
    assert.equal(result.visible, true, result.message);
    assert.equal(result.digest, image.descriptor.digest);
    const status = await imageStatus(b.containerd, name);
    assert.equal(status?.id, result.configDigest);
    assert.deepEqual(await b.ctr.leases(), [], "leases on b");
    assert.deepEqual(await b.ctr.ingests(), [], "ingests on b");
    await assertImageRuns(b.containerd, result.names.find((record) => record.includes("/")) ?? name, image.output);
  }

  async function runnable(
    output: string,
    options: Omit<Parameters<typeof buildRunnableImage>[0], "output"> = {},
  ): Promise<Awaited<ReturnType<typeof buildRunnableImage>> & { readonly output: string }> {
    const image = await buildRunnableImage({ output, ...options });
    return { ...image, output };
  }

  test("by tag", async () => {
    await move(await runnable("by tag"), `${HOST}/tag:v1`);
  });

  test("by digest", async () => {
    const image = await runnable("by digest");
    await move(image, `${HOST}/digest@${image.descriptor.digest}`, `${HOST}/digest:v1`);
  });
});
