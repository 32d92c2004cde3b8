import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { after, afterEach, before, describe, test } from "node:test";

import { PODS } from "../../../controller/kube/resources.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus, removeImage } from "../../harness/cri.ts";
import { ctr } from "../../harness/ctr.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage } from "../images.ts";
import { readPods } from "../pods.ts";
import { openScene, type Scene } from "../scene.ts";
import { pullDuration, timelineBars, timelineTable } from "../timeline.ts";
import { barePod, container } from "../workloads.ts";

const megabyte = 1_000_000;
const BYTES = 200 * megabyte;
const LAYER_BYTES = 50 * megabyte;
const TARGET = "n2";
const patienceMs = 300_000;
/** often enough for the bars, and too seldom to slow the transfer */
const lookMs = 200;
/** others who use the machine may spoil one: so many rounds may be taken until one meets all bars */
const ROUNDS = 3;
/** a test says what became of the bars, and fails at so many times of one in every round: times are no proof on any machine */
const SLACK = 3;

/** What a round has shown. */
interface Round {
  readonly table: readonly string[];
  /** how many times of its limit the worst bar took */
  readonly worst: number;
  readonly load: string;
}

describe("how long a salvage takes, next to a healthy pull", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** When CRI on the target first has the image, in milliseconds since 1970. */
  async function visibleAt(reference: string): Promise<number> {
    const target = scene.cluster.node(TARGET).containerd;
    const look = async (): Promise<number | undefined> =>
      (await imageStatus(target, reference)) === undefined ? undefined : Date.now();
    return await waitFor("the image", look, { timeoutMs: patienceMs, intervalMs: lookMs });
  }

  /**
   * When the pull of pod "wants" has failed and when its container runs, in milliseconds since 1970. From a watch: whoever
   * asks again and again takes processor time from the transfer.
   */
  async function followPod(namespace: string): Promise<{ failed: number; running: number }> {
    const signal = AbortSignal.timeout(patienceMs);
    let resourceVersion = "";
    for await (const page of scene.api.list(PODS, { namespace, signal }))
      resourceVersion = page.metadata.resourceVersion;
    const options = { namespace, signal, resourceVersion, timeoutSeconds: patienceMs / 1000 };
    let failed: number | undefined;
    for await (const { object } of scene.api.watch(PODS, options)) {
      const [pod] = readPods({ items: [object] });
      const [only] = pod?.name === "wants" ? pod.containers : [];
      const isRunning = only?.state === "running";
      if (isRunning || ["ErrImagePull", "ImagePullBackOff"].includes(only?.reason ?? ""))
        failed ??= Date.now();
      if (isRunning && failed !== undefined) return { failed, running: Date.now() };
    }
    throw new Error("the watch ended before the pod ran");
  }

  /** A healthy pull on the target, which then forgets the image, and a salvage of it: a machine may be busier a minute later. */
  async function round(title: string): Promise<Round> {
    const { cluster } = scene;
    const { registry } = cluster;
    const target = cluster.node(TARGET).containerd;
    await registry.start();
    const namespace = await scene.namespace(title);
    const split = { layerBytes: LAYER_BYTES, dir: cleanup.directory() };
    const image = await scene.push(await podImage(scene.title(title), BYTES, split));
    const containers = [container(image.reference)];
    // one after the other: two pulls at once would share disk and processors
    for (const [name, where] of [
      ["has", "n1"],
      ["healthy", TARGET],
    ] as const) {
      await scene.apply(barePod({ name, namespace, node: where, containers }));
      await scene.waitForPods(namespace, `${name} runs`, (pods) =>
        pods.some((pod) => pod.name === name && pod.isReady),
      );
    }
    const pulled = await scene.waitForEvent(
      namespace,
      "of the healthy pull",
      ({ about, message }) => about === "healthy" && message.startsWith("Successfully pulled"),
    );
    const pullMs = pullDuration(pulled.message);
    await scene.deletePod(namespace, "healthy");
    await removeImage(target, image.reference);
    await ctr(target).forceGc();
    const left = new Set((await ctr(target).content()).map(({ digest }) => digest));
    assert.ok(!left.has(image.image.layers.at(-1)?.digest ?? ""), "the target has nothing of the image");
    await registry.stop();

    const wants = barePod({ name: "wants", namespace, node: TARGET, containers });
    const [{ failed, running }, visible] = await Promise.all([
      followPod(namespace),
      visibleAt(image.reference),
      scene.apply(wants),
    ]);
    assert.equal((await scene.logs(namespace, "wants")).trim(), image.output);
    const { status } = await scene.waitForRecord(
      namespace,
      "has ended",
      (record) => record.status.completedAt !== undefined,
    );
    assert.equal(status.phase, "Completed", status.message);
    assert.ok((status.bytesTransferred ?? 0) >= BYTES, `${status.bytesTransferred} bytes`);
    const at = (type: string): number =>
      Date.parse(status.transitions?.find((transition) => transition.type === type)?.time ?? "");
    const times = {
      failed,
      detected: at("detected"),
      planned: at("salvageable"),
      started: Date.parse(status.startedAt ?? ""),
      visible,
      salvaged: at("salvaged"),
      running,
    };
    for (const [step, time] of Object.entries(times)) assert.ok(time > 0, `no time for ${step}`);
    const load = `load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} processors`;
    const worst = Math.max(...timelineBars(times, pullMs).map(({ limit, measured }) => measured / limit));
    return { table: timelineTable(times, pullMs), worst, load };
  }

  test(`an image of ${BYTES / megabyte} MB on ${TARGET}`, async (t) => {
    const rounds: Round[] = [];
    for (let number = 1; number <= ROUNDS; number += 1) {
      const { table, worst, load } = await round(`timeline-${number}`);
      rounds.push({ table, worst, load });
      for (const line of [`round ${number}, ${load}`, ...table]) t.diagnostic(line);
      if (worst <= 1) return;
    }
    const best = Math.min(...rounds.map(({ worst }) => worst));
    t.diagnostic(`no round has met all bars: the best took ${best.toFixed(2)} times of one`);
    const told = rounds.flatMap(({ table, load }) => [load, ...table]);
    assert.ok(best <= SLACK, `every round took more than ${SLACK} times of a bar\n${told.join("\n")}`);
  });
});
