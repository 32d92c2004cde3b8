import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { Cleanup } from "../harness/cleanup.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess, type RunningProcess } from "../harness/processes.ts";
import { GiveUp, waitFor } from "../harness/wait.ts";

const controllerMain = fileURLToPath(new URL("../../controller/main.ts", import.meta.url));

/** several start at the same time on a machine with much to do */
const READY_TIMEOUT_MS = 120_000;

/** Options of startController. */
export interface ControllerProcessOptions {
  readonly cleanup: Cleanup;
  readonly kubeconfig: string;
  /** folder with tls.crt, tls.key and ca.crt of the role tote-controller */
  readonly certDir: string;
  /** URLs of agents by node */
  readonly agents: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** what it prints is added to this file, besides; default none */
  readonly logFile?: string;
}

/** A controller that runs as a process of its own. */
export interface ControllerProcess {
  readonly pid: number;
  /** "http://127.0.0.1:port" of /metrics, /healthz and /readyz */
  readonly metricsUrl: string;
  logs(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

/** Starts a controller and waits until it is ready. */
export async function startController(options: ControllerProcessOptions): Promise<ControllerProcess> {
  const { cleanup, kubeconfig, certDir, agents, args = [], logFile } = options;
  const [metricsPort = 0, healthPort = 0] = await freePorts(2);
  const list = Object.entries(agents).map(([node, url]) => `${node}=${url}`);
  const flags = {
    kubeconfig,
    "lease-namespace": "tote",
    "metrics-addr": `127.0.0.1:${metricsPort}`,
    "health-addr": `127.0.0.1:${healthPort}`,
    "tls-cert": join(certDir, "tls.crt"),
    "tls-key": join(certDir, "tls.key"),
    "tls-ca": join(certDir, "ca.crt"),
    agents: list.join(","),
    // the nodes of the tests share one disk, which may be rather full
    "min-free-percent": "1",
  };
  const controller = startProcess({
    name: "controller",
    command: process.execPath,
    args: [controllerMain, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), ...args],
    cleanup,
    logFile,
  });
  const metricsUrl = `http://127.0.0.1:${metricsPort}`;
  await ready(controller, metricsUrl);
  return {
    pid: controller.pid,
    metricsUrl,
    logs: () => controller.logs(),
    kill: (signal) => controller.kill(signal),
    stop: () => controller.stop(),
  };
}

async function ready(controller: RunningProcess, metricsUrl: string): Promise<void> {
  try {
    await waitFor(
      `${metricsUrl}/readyz`,
      async () => {
        if (controller.status() !== undefined) throw new GiveUp("the controller has ended");
        const answer = await fetch(`${metricsUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
        await answer.body?.cancel();
        return answer.ok;
      },
      { timeoutMs: READY_TIMEOUT_MS },
    );
  } catch (error) {
    const log = controller.logs();
    await controller.stop();
    throw new Error(`the controller did not become ready; its log:\n${log}`, { cause: error });
  }
}
