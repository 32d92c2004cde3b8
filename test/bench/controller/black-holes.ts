import { setTimeout as sleep } from "node:timers/promises";

import type { Cleanup } from "../../harness/cleanup.ts";
import { waitFor } from "../../harness/wait.ts";
import type { ClusterSpec } from "./cluster-spec.ts";
import { startMeasured, type ControllerMemory, type CpuSeconds } from "./controller-run.ts";
import { cpuOfBoth, cpuSince } from "./cpu-time.ts";
import { startWorld } from "./world-client.ts";
import type { WorldView } from "./world-protocol.ts";

const TAGS = 50;
/** Times that the kubelets tell of the failures again, and the pause between them. */
const REPEATS = 4;
const REPEAT_PAUSE_MS = 2_500;

/** What the cluster with black holes has shown. */
export interface BlackHoleReport {
  readonly spec: ClusterSpec;
  /** from the failures until every record has ended */
  readonly seconds: number;
  /** CPU seconds meanwhile, of the controller, and of the API server with the agents */
  readonly cpu: CpuSeconds;
  readonly memoryAtEnd: ControllerMemory;
  readonly view: WorldView;
}

/** 500 nodes, a tenth of them black holes, and tags that nobody knows. */
export const BLACK_HOLES: ClusterSpec = {
  nodes: 500,
  imagesPerNode: 50,
  pods: 2_000,
  failingEvery: 100,
  cases: TAGS,
  failingCases: 0,
  unknownCases: TAGS,
  blackHoles: 50,
};

/** Lets pods fail for tags that only agents could know, some of which never answer. */
export async function runBlackHoles(
  spec: ClusterSpec,
  options: {
    readonly cleanup: Cleanup;
    readonly agentCerts: string;
    readonly controllerCerts: string;
    readonly print: (text: string) => void;
  },
): Promise<BlackHoleReport> {
  const { cleanup, agentCerts, controllerCerts, print } = options;
  const world = startWorld(cleanup);
  const { kubeconfig, agentPort } = await world.call("start", { spec, certDir: agentCerts });
  const controller = await startMeasured({ cleanup, kubeconfig, certDir: controllerCerts, agentPort });
  const cpuBefore = await cpuOfBoth(world, controller);
  const failed = performance.now();
  await world.call("set", { from: 0, to: spec.cases, state: "ErrImagePull" });
  await waitFor(
    "every record to have ended",
    async () => ((await world.call("look", null)).records["Refused"] ?? 0) >= spec.cases,
    { timeoutMs: 300_000, intervalMs: 250 },
  );
  const seconds = (performance.now() - failed) / 1000;
  const cpu = cpuSince(cpuBefore, await cpuOfBoth(world, controller));
  print(`all refused after ${seconds.toFixed(1)} s, `);
  for (let round = 0; round < REPEATS; round += 1) {
    const state = round % 2 === 0 ? "ImagePullBackOff" : "ErrImagePull";
    await world.call("set", { from: 0, to: spec.cases, state });
    await sleep(REPEAT_PAUSE_MS);
  }
  const view = await world.call("look", null);
  const memoryAtEnd = await controller.memory();
  await controller.process.stop();
  print("done\n");
  return { spec, seconds, cpu, memoryAtEnd, view };
}
