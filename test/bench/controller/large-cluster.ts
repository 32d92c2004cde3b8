import { setTimeout as sleep } from "node:timers/promises";

import { formatSize } from "../../../lib/units.ts";
import type { Cleanup } from "../../harness/cleanup.ts";
import { waitFor } from "../../harness/wait.ts";
import type { ClusterSpec } from "./cluster-spec.ts";
import {
  startMeasured,
  type ControllerMemory,
  type CpuSeconds,
  type MeasuredController,
} from "./controller-run.ts";
import { cpuOfBoth } from "./cpu-time.ts";
import { startWorld, type WorldProcess } from "./world-client.ts";
import type { WorldView } from "./world-protocol.ts";

/** Failing pods that have asked for tote when the controller starts. */
const STORM = 20;
const SAMPLES = 200;
const UPDATES_PER_SECOND = 200;
const UPDATE_SECONDS = 30;
/** Pause between two samples, so that each finds the cluster idle. */
const SAMPLE_PAUSE_MS = 150;
const STORM_TIMEOUT_MS = 300_000;
/** Memory is read so long after the first sync. */
const SETTLE_MS = 5_000;

/** What the large cluster has shown. */
export interface LargeReport {
  readonly spec: ClusterSpec;
  readonly syncSeconds: number;
  /** CPU seconds of the first sync */
  readonly syncCpu: CpuSeconds;
  readonly memoryAfterSync: ControllerMemory;
  /** from the first sync until everything that failed at the start was imported */
  readonly stormSeconds: number;
  /** share of one core */
  readonly idleCpu: number;
  readonly updates: { readonly perSecond: number; readonly cpu: number };
  /** milliseconds from a pod's status to the ImportImage call, of an idle cluster */
  readonly latenciesMs: readonly number[];
  readonly memoryAtEnd: ControllerMemory;
  readonly view: WorldView;
}

/** The cluster of the bench, or a part of it. */
export function largeCluster(scale: number): ClusterSpec {
  return {
    nodes: Math.round(5_000 * scale),
    imagesPerNode: 50,
    pods: Math.round(100_000 * scale),
    failingEvery: 100,
    cases: STORM + SAMPLES,
    failingCases: STORM,
    unknownCases: 0,
    blackHoles: 0,
  };
}

/** Measures a controller in a large cluster. */
export async function runLargeCluster(
  spec: ClusterSpec,
  options: {
    readonly cleanup: Cleanup;
    readonly agentCerts: string;
    readonly controllerCerts: string;
    readonly print: (text: string) => void;
  },
): Promise<LargeReport> {
  const { cleanup, agentCerts, controllerCerts, print } = options;
  const world = startWorld(cleanup);
  const { kubeconfig, agentPort } = await world.call("start", { spec, certDir: agentCerts });
  const { cpuSeconds: filled } = await world.call("look", null);
  const controller = await startMeasured({ cleanup, kubeconfig, certDir: controllerCerts, agentPort });
  const used = await cpuOfBoth(world, controller);
  const syncCpu = { ...used, world: used.world - filled };
  print(`first sync ${controller.syncSeconds.toFixed(1)} s, `);
  const synced = performance.now();
  await sleep(SETTLE_MS);
  const memoryAfterSync = await controller.memory();
  print(`${formatSize(memoryAfterSync.now)}, `);
  await endOfStorm(world, controller);
  const stormSeconds = (performance.now() - synced) / 1000;
  print(`storm ${stormSeconds.toFixed(1)} s, `);
  const idleCpu = await shareOfCore(controller, () => sleep(SETTLE_MS));
  const latenciesMs = await takeSamples(world);
  print(`${latenciesMs.length} samples, `);
  let perSecond = 0;
  const cpu = await shareOfCore(controller, async () => {
    const done = await world.call("update", { perSecond: UPDATES_PER_SECOND, seconds: UPDATE_SECONDS });
    perSecond = done / UPDATE_SECONDS;
  });
  const memoryAtEnd = await controller.memory();
  const view = await world.call("look", null);
  await controller.process.stop();
  print("done\n");
  const { syncSeconds } = controller;
  const updates = { perSecond, cpu };
  return {
    spec,
    syncSeconds,
    syncCpu,
    memoryAfterSync,
    stormSeconds,
    idleCpu,
    updates,
    latenciesMs,
    memoryAtEnd,
    view,
  };
}

async function endOfStorm(world: WorldProcess, controller: MeasuredController): Promise<void> {
  try {
    await waitFor(
      "the end of what failed from the start",
      async () => ended(await world.call("look", null)) >= STORM,
      { timeoutMs: STORM_TIMEOUT_MS, intervalMs: 500 },
    );
  } catch (error) {
    const view = JSON.stringify(await world.call("look", null));
    throw new Error(`${view}\n${controller.process.logs().slice(-2000)}`, { cause: error });
  }
}

function ended({ records }: WorldView): number {
  return ["Completed", "Failed", "Refused"].reduce((sum, phase) => sum + (records[phase] ?? 0), 0);
}

async function takeSamples(world: WorldProcess): Promise<readonly number[]> {
  const latencies: number[] = [];
  for (let index = STORM; index < STORM + SAMPLES; index += 1) {
    const milliseconds = await world.call("sample", { index });
    if (milliseconds === null)
      throw new Error(`the pod of case ${index} was not helped: is this machine busy?`);
    latencies.push(milliseconds);
    await sleep(SAMPLE_PAUSE_MS);
  }
  return latencies;
}

async function shareOfCore(controller: MeasuredController, work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  const before = await controller.cpuSeconds();
  await work();
  const seconds = (performance.now() - started) / 1000;
  return ((await controller.cpuSeconds()) - before) / seconds;
}
