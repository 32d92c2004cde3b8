import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { NODE_OPTION } from "../../../build/image/image-config.ts";
import type { Cleanup } from "../../harness/cleanup.ts";
import { freePorts } from "../../harness/ports.ts";
import { startProcess, type RunningProcess } from "../../harness/processes.ts";
import { GiveUp, waitFor } from "../../harness/wait.ts";
import { parsePeakMemory, readCpu } from "../proc.ts";

const MAIN = fileURLToPath(new URL("../../../controller/main.ts", import.meta.url));
const SYNC_TIMEOUT_MS = 300_000;

/** A controller that is being measured. */
export interface MeasuredController {
  readonly pid: number;
  /** from its start until /readyz said that everything is listed */
  readonly syncSeconds: number;
  readonly process: RunningProcess;
  memory(): Promise<ControllerMemory>;
  /** seconds since its start, of all threads */
  cpuSeconds(): Promise<number>;
}

/** Resident memory, in bytes. */
export interface ControllerMemory {
  readonly now: number;
  readonly peak: number;
}

/** CPU time of the processes of a bench. */
export interface CpuSeconds {
  readonly controller: number;
  /** API server and agents */
  readonly world: number;
}

/** Starts a controller as the container image does, with the same options for Node, and waits for its first sync. */
export async function startMeasured(options: {
  readonly cleanup: Cleanup;
  readonly kubeconfig: string;
  readonly certDir: string;
  readonly agentPort: number;
}): Promise<MeasuredController> {
  const { cleanup, kubeconfig, certDir, agentPort } = options;
  const [metricsPort = 0, healthPort = 0] = await freePorts(2);
  const flags = {
    kubeconfig,
    "agent-namespace": "tote",
    "agent-grpc-port": String(agentPort),
    "lease-namespace": "tote",
    "metrics-addr": `127.0.0.1:${metricsPort}`,
    "health-addr": `127.0.0.1:${healthPort}`,
    "tls-cert": join(certDir, "tls.crt"),
    "tls-key": join(certDir, "tls.key"),
    "tls-ca": join(certDir, "ca.crt"),
    "json-log": "true",
    "log-level": "warn",
  };
  const started = performance.now();
  const controller = startProcess({
    name: "controller",
    command: process.execPath,
    args: [NODE_OPTION, MAIN, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)],
    cleanup,
  });
  await waitFor(
    "the first sync",
    async () => {
      if (controller.status() !== undefined)
        throw new GiveUp(`the controller has ended: ${controller.logs()}`);
      const answer = await fetch(`http://127.0.0.1:${healthPort}/readyz`, {
        signal: AbortSignal.timeout(5_000),
      });
      await answer.body?.cancel();
      return answer.ok;
    },
    { timeoutMs: SYNC_TIMEOUT_MS, intervalMs: 100 },
  );
  const syncSeconds = (performance.now() - started) / 1000;
  return {
    pid: controller.pid,
    syncSeconds,
    process: controller,
    async memory() {
      const status = await readFile(`/proc/${controller.pid}/status`, "utf8");
      return { now: parseResident(status), peak: parsePeakMemory(status) };
    },
    cpuSeconds: async () => (await readCpu(controller.pid)).self,
  };
}

function parseResident(status: string): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`no VmRSS in status: ${status}`);
  return Number(kib) * 1024;
}
