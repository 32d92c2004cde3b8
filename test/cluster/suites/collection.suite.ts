import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { bytesReceived } from "../../harness/agent-metrics.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus } from "../../harness/cri.ts";
import { ctr } from "../../harness/ctr.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage, type PodImage } from "../images.ts";
import type { PodView } from "../pods.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container, deployment } from "../workloads.ts";

const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
/** percent of the disk above which the kubelet deletes images: low enough that every disk is above it */
const THRESHOLD = 2;
/** the kubelet looks every 5 minutes, and its first look may come before it knows the disk */
const collectionMs = 480_000;
const TARGET = "n2";

describe("garbage collection and restarts after a salvage", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  let namespace: string;
  /** runs on the target, which has it from n1 */
  let salvaged: PodImage;
  /** on the target, and no pod needs it */
  let unused: PodImage;
  /** on n1 only */
  let elsewhere: PodImage;
  let pod: PodView | undefined;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
    const { registry } = scene.cluster;
    await registry.start();
    namespace = await scene.namespace("collect");
    salvaged = await scene.push(await podImage(scene.title("salvaged")));
    unused = await scene.push(await podImage(scene.title("unused")));
    elsewhere = await scene.push(await podImage(scene.title("elsewhere")));
    const sources = [salvaged, elsewhere].map(({ reference }, at) =>
      container(reference, { name: `c${at}` }),
    );
    await scene.apply(
      barePod({ name: "has", namespace, node: "n1", containers: sources }),
      barePod({ name: "unused", namespace, node: TARGET, containers: [container(unused.reference)] }),
    );
    await scene.waitForRunning(namespace, 2);
    await scene.deletePod(namespace, "unused");
    await registry.stop();
    const containers = [container(salvaged.reference)];
    await scene.apply(deployment({ name: "web", namespace, node: TARGET, containers }));
    pod = (await scene.waitForRunning(namespace, 2)).find(({ node }) => node === TARGET);
    await scene.waitForRecord(namespace, "has ended", hasEnded);
  });
  afterEach(() => scene.assertPodsKept());
  after(async () => {
    await restartTarget({});
    await scene.cluster.registry.stop();
    await cleanup.run();
  });

  /** Restarts containerd and kubelet of the target. */
  async function restartTarget(kubelet: Readonly<Record<string, unknown>>): Promise<void> {
    const { cluster } = scene;
    const { binaries, kubectl } = cluster;
    const target = cluster.node(TARGET);
    await target.stopKubelet();
    await target.configure({ kubelet });
    await target.containerd.restart();
    target.startKubelet(binaries.kubelet);
    await kubectl.waitFor("Ready", [`node/${TARGET}`], { timeoutMs: 120_000 });
  }

  test("the salvaged image outlives containerd's garbage collection", async () => {
    const { containerd } = scene.cluster.node(TARGET);
    await ctr(containerd).forceGc();
    const blobs = new Set((await ctr(containerd).content()).map(({ digest }) => digest));
    for (const digest of salvaged.image.blobs.keys()) assert.ok(blobs.has(digest), digest);
    assert.notEqual(await imageStatus(containerd, salvaged.reference), undefined);
  });

  test("containerd and the kubelet restart, and the pod goes on", async () => {
    await restartTarget({
      imageGCHighThresholdPercent: THRESHOLD,
      imageGCLowThresholdPercent: THRESHOLD - 1,
      imageMinimumGCAge: "1s",
    });
    const pods = await scene.waitForRunning(namespace, 2);
    const same = pods.find(({ uid }) => uid === pod?.uid);
    assert.equal(same?.containers[0]?.restarts, 0);
  });

  test("a salvage that would cross the threshold at which the kubelet deletes images is refused", async (t) => {
    t.after(() => scene.tote.restartController());
    await scene.tote.restartController([`--min-free-percent=${100 - THRESHOLD}`]);
    const other = await scene.namespace("full");
    const containers = [container(elsewhere.reference)];
    await scene.apply(barePod({ name: "wants", namespace: other, node: TARGET, containers }));
    const { status } = await scene.waitForRecord(other, "has ended", hasEnded);
    assert.equal(status.phase, "Refused", status.message);
    assert.equal(status.reason, "InsufficientRoom");
    assert.match(status.message ?? "", /--min-free-percent=98/);
    assert.equal(await imageStatus(scene.cluster.node(TARGET).containerd, elsewhere.reference), undefined);
  });

  test("the kubelet collects images, the pod is deleted, and comes back from the salvaged image", async () => {
    const { containerd } = scene.cluster.node(TARGET);
    await waitFor(
      "the kubelet to delete the image that no pod needs",
      async () => (await imageStatus(containerd, unused.reference)) === undefined,
      { timeoutMs: collectionMs, intervalMs: 1000 },
    );
    await ctr(containerd).forceGc();
    assert.notEqual(await imageStatus(containerd, salvaged.reference), undefined);

    const records = await scene.records(namespace);
    const received = await bytesReceived(scene.tote.agent(TARGET));
    assert.ok(pod);
    await scene.deletePod(namespace, pod.name);
    const next = (await scene.waitForRunning(namespace, 2)).find(({ node }) => node === TARGET);
    assert.ok(next);
    assert.notEqual(next.uid, pod.uid);
    assert.equal((await scene.logs(namespace, next.name)).trim(), salvaged.output);
    assert.equal((await scene.records(namespace)).length, records.length, "nothing was to be done");
    assert.equal(await bytesReceived(scene.tote.agent(TARGET)), received);
  });
});
