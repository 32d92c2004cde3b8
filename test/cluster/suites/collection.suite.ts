import assert from "node:assert/strict";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { bytesReceived } from "../../harness/agent-metrics.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus } from "../../harness/cri.ts";
import { ctr } from "../../harness/ctr.ts";
import { run } from "../../harness/run.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage, type PodImage } from "../images.ts";
import { resetNodeAtEnd, restartNode, waitForRenewal } from "../node-changes.ts";
import type { PodView } from "../pods.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container, deployment } from "../workloads.ts";

const megabyte = 1_000_000;
const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
/** percent of the disk above which the kubelet deletes images: low enough that every disk is above it */
const LOWEST_THRESHOLD = 2;
/** room above what must stay free: for a small image with what is unpacked of it, and for others who write meanwhile */
const GAP_BYTES = 400 * megabyte;
/** needs four times as much, unpacked with its blobs */
const LARGE_BYTES = 200 * megabyte;
const LAYER_BYTES = 50 * megabyte;
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
  let small: PodImage;
  let large: PodImage;
  let pod: PodView | undefined;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
    const { registry } = scene.cluster;
    resetNodeAtEnd(scene.cluster, cleanup, TARGET);
    await registry.start();
    namespace = await scene.namespace("collect");
    salvaged = await scene.push(await podImage(scene.title("salvaged")));
    unused = await scene.push(await podImage(scene.title("unused")));
    small = await scene.push(await podImage(scene.title("small")));
    const split = { layerBytes: LAYER_BYTES, dir: cleanup.directory() };
    large = await scene.push(await podImage(scene.title("large"), LARGE_BYTES, split));
    const sources = [salvaged, small, large].map(({ reference }, at) =>
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
    pod = await onTarget();
    await scene.waitForRecord(namespace, "has ended", hasEnded);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** The target's pod, which must run. */
  async function onTarget(): Promise<PodView> {
    const pods = await scene.waitForRunning(namespace, 2);
    const found = pods.find(({ node }) => node === TARGET);
    assert.ok(found, `no pod on ${TARGET}`);
    return found;
  }

  /** What tells the container of a pod from one that was started later. */
  async function identity({ uid, containers: [only] }: PodView): Promise<unknown> {
    const { containerId = "", startedAt } = only ?? {};
    const tasks = await ctr(scene.cluster.node(TARGET).containerd).exec(["tasks", "list"]);
    const task = tasks.split("\n").find((line) => line.startsWith(containerId.replace("containerd://", "")));
    // id, process and state of the container's first process
    assert.match(task ?? "", /^[0-9a-f]{64}\s+\d+\s+RUNNING\s*$/, `${containerId} in ${tasks}`);
    return { uid, containerId, startedAt, task };
  }

  test("the salvaged image outlives containerd's garbage collection", async () => {
    const { containerd } = scene.cluster.node(TARGET);
    await ctr(containerd).forceGc();
    const blobs = new Set((await ctr(containerd).content()).map(({ digest }) => digest));
    for (const digest of salvaged.image.blobs.keys()) assert.ok(blobs.has(digest), digest);
    assert.notEqual(await imageStatus(containerd, salvaged.reference), undefined);
  });

  test("containerd and the kubelet restart, and the pod goes on", async () => {
    const { cluster } = scene;
    const earlier = await identity(await onTarget());
    await restartNode(cluster, TARGET, {});
    assert.deepEqual(await identity(await onTarget()), earlier);
    // by then the kubelet has looked at all of its pods
    await waitForRenewal(cluster.kubectl, TARGET, Date.now());
    assert.deepEqual(await identity(await onTarget()), earlier);
  });

  /** Writes a file that leaves a gap above a whole percent of the disk; answers that percent. */
  async function fillUp(file: string): Promise<number> {
    const { bavail, blocks, bsize } = await statfs(scene.cluster.node(TARGET).containerd.root);
    const [free, total] = [bavail * bsize, blocks * bsize];
    const percent = Math.floor((100 * (free - GAP_BYTES)) / total);
    assert.ok(percent >= 1, `${free} bytes of ${total} are free: too few for this test`);
    const filling = Math.floor(free - GAP_BYTES - (total * percent) / 100);
    await run("fallocate", ["--length", String(Math.max(1, filling)), file]);
    return percent;
  }

  test("with a lower threshold for images, a salvage that stays below it is done, one that would cross it is refused", async (t) => {
    const { containerd } = scene.cluster.node(TARGET);
    const percent = await fillUp(join(cleanup.directory(), "filling"));
    t.after(() => run("rm", [join(cleanup.directory(), "filling")]));
    // the kubelet deletes at this percentage, not only above it
    const threshold = 101 - percent;
    await restartNode(scene.cluster, TARGET, {
      kubelet: { imageGCHighThresholdPercent: threshold, imageGCLowThresholdPercent: threshold - 1 },
    });
    t.after(() => scene.tote.restartController());
    await scene.tote.restartController([`--min-free-percent=${percent}`]);

    const fits = await scene.namespace("fits");
    await scene.apply(
      barePod({ name: "wants", namespace: fits, node: TARGET, containers: [container(small.reference)] }),
    );
    await scene.waitForRunning(fits, 1);
    const done = await scene.waitForRecord(fits, "has ended", hasEnded);
    assert.equal(done.status.phase, "Completed", done.status.message);

    const full = await scene.namespace("full");
    await scene.apply(
      barePod({ name: "wants", namespace: full, node: TARGET, containers: [container(large.reference)] }),
    );
    const { status } = await scene.waitForRecord(full, "has ended", hasEnded);
    assert.equal(status.phase, "Refused", status.message);
    assert.equal(status.reason, "InsufficientRoom");
    assert.match(status.message ?? "", new RegExp(`--min-free-percent=${percent}\\b`));
    assert.equal(await imageStatus(containerd, large.reference), undefined);
  });

  test("the kubelet collects images, the pod is deleted, and comes back from the salvaged image", async () => {
    const { containerd } = scene.cluster.node(TARGET);
    await restartNode(scene.cluster, TARGET, {
      kubelet: {
        imageGCHighThresholdPercent: LOWEST_THRESHOLD,
        imageGCLowThresholdPercent: LOWEST_THRESHOLD - 1,
        imageMinimumGCAge: "1s",
      },
    });
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
    const next = await onTarget();
    assert.notEqual(next.uid, pod.uid);
    assert.equal((await scene.logs(namespace, next.name)).trim(), salvaged.output);
    assert.equal((await scene.records(namespace)).length, records.length, "nothing was to be done");
    assert.equal(await bytesReceived(scene.tote.agent(TARGET)), received);
  });
});
