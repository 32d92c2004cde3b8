import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus } from "../../harness/cri.ts";
import { ctr } from "../../harness/ctr.ts";
import { podImage } from "../images.ts";
import { resetNodeAtEnd, restartNode } from "../node-changes.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container } from "../workloads.ts";

const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;

describe("nodes that have less of an image than they say", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  test("an image whose blobs were deleted under containerd is repaired from another node", async () => {
    const { cluster } = scene;
    const { registry } = cluster;
    await registry.start();
    const namespace = await scene.namespace("corrupt");
    const built = await scene.push(await podImage(scene.title("corrupt")));
    const containers = [container(built.reference)];
    await scene.apply(
      barePod({ name: "has-n1", namespace, node: "n1", containers }),
      barePod({ name: "has-n2", namespace, node: "n2", containers }),
    );
    await scene.waitForRunning(namespace, 2);
    await registry.stop();
    await scene.deletePod(namespace, "has-n2");
    const { containerd } = cluster.node("n2");
    const { config, layers } = built.image;
    const gone = [config.digest, layers.at(-1)?.digest ?? ""];
    await ctr(containerd).removeContent(...gone);
    // the snapshots go with the configuration
    await ctr(containerd).forceGc();
    assert.notEqual(await imageStatus(containerd, built.reference), undefined, "the kubelet sees no harm");

    await scene.apply(barePod({ name: "again", namespace, node: "n2", containers }));
    await scene.waitForRunning(namespace, 2);
    assert.equal((await scene.logs(namespace, "again")).trim(), built.output);
    const { status } = await scene.waitForRecord(namespace, "has ended", hasEnded);
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.reason, "Salvaged");
    assert.ok((status.transitions ?? []).some(({ type }) => type === "corrupt"));
    assert.deepEqual(status.sources, ["n1"]);
    const blobs = new Set((await ctr(containerd).content()).map(({ digest }) => digest));
    for (const digest of gone) assert.ok(blobs.has(digest), `${digest} is back`);
  });

  test("a node that discards layers is no source: the reason is told, and nothing moves", async () => {
    const { cluster } = scene;
    const { registry } = cluster;
    const source = cluster.node("n1");
    resetNodeAtEnd(cluster, cleanup, "n1");
    await restartNode(cluster, "n1", { discardsLayers: true });
    await registry.start();
    const namespace = await scene.namespace("discards");
    const image = await scene.push(await podImage(scene.title("discards")));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "has", namespace, node: "n1", containers }));
    await scene.waitForRunning(namespace, 1);
    await registry.stop();
    await ctr(source.containerd).forceGc();

    await scene.apply(barePod({ name: "wants", namespace, node: "n2", containers }));
    const { status } = await scene.waitForRecord(namespace, "has ended", hasEnded);
    assert.equal(status.phase, "Refused", status.message);
    assert.equal(status.reason, "NoSource");
    assert.match(status.message ?? "", /n1: LAYERS_DISCARDED/);
    assert.equal(await imageStatus(cluster.node("n2").containerd, image.reference), undefined);
    await scene.waitForEvent(
      namespace,
      "on the pod, that says why",
      ({ about, message }) => about === "wants" && message.includes("LAYERS_DISCARDED"),
    );
  });
});
