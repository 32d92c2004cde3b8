import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { imageStatus, pullImage } from "../harness/cri.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { loadImage } from "../harness/load-image.ts";
import { startRegistry, type Registry } from "../harness/registry.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";

describe("a pull of the same image hangs inside containerd", () => {
  let rig: Rig;
  let registry: Registry;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
    registry = await startRegistry({ cleanup: rig.cleanup });
    await registry.attach(rig.node("b").containerd, "registry.test:5000");
  });
  after(() => rig.cleanup.run());

  test("the import gets past it, and the pod can start while the pull still hangs", async (t) => {
    const wanted = await uniqueImage("hanging");
    const { image, name } = wanted;
    const [a, b] = [rig.node("a"), rig.node("b")];
    await loadImage(a.containerd, image, { names: [name] });
    await registry.add("hanging:v1", image);
    for (const { digest, size } of image.layers) {
      registry.fault(digest, { kind: "hang", afterBytes: Math.floor(size / 2) });
    }
    const pull = new AbortController();
    t.after(() => pull.abort());
    const hangs = assert.rejects(pullImage(b.containerd, name, { signal: pull.signal }), /CANCELLED/);
    await waitFor("the pull to hang in every layer", async () => (await b.ctr.ingests()).length >= 3);
    const stuck = await b.ctr.ingests();

    const result = await rig.import({ image, names: [name], target: "b" });
    assert.equal(result.visible, true, result.message);
    // manifest and configuration have come by the pull
    const inLayers = image.layers.reduce((sum, { size }) => sum + size, 0);
    assert.equal(Number(result.bytesTransferred), inLayers);
    assert.equal((await imageStatus(b.containerd, name))?.id, image.config.digest);
    assert.deepEqual(
      (await b.ctr.ingests()).toSorted(),
      stuck.toSorted(),
      "the pull's own ingests were touched",
    );
    await assertImageRuns(b.containerd, name, wanted.output);

    pull.abort();
    await hangs;
    await waitFor("containerd to give the pull up", async () => {
      await b.ctr.forceGc();
      return (await b.ctr.ingests()).length === 0;
    });
    await assertImageRuns(b.containerd, name, wanted.output);
    // with the registry back a pull finds everything here
    registry.heal();
    assert.equal(await pullImage(b.containerd, name), image.config.digest);
  });
});
