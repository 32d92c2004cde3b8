import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Cleanup } from "./cleanup.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import type { NetworkNode } from "./netns.ts";
import { freePorts } from "./ports.ts";
import { commandLine, startProcess } from "./processes.ts";
import type { ExitStatus, RunningProcess } from "./processes.ts";
import { GiveUp, waitFor } from "./wait.ts";

/** Options of startAgent. */
export interface AgentOptions {
  readonly cleanup: Cleanup;
  readonly containerd: Pick<ContainerdNode, "name" | "socket" | "root">;
  /** --node-name, default containerd.name */
  readonly node?: string;
  /** the agent's own network namespace; default: 127.0.0.1 of the host with free ports */
  readonly network?: Pick<NetworkNode, "ip" | "prefix">;
  /** folder with tls.crt, tls.key and ca.crt; default: --insecure --insecure-bind-any */
  readonly tls?: { readonly certDir: string };
  /** further command line arguments, e.g. ["--orphan-grace", "1s"] */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** put before the whole command line, e.g. a program that joins a cgroup */
  readonly wrapper?: readonly string[];
  /** what to run, default this repository's agent/main.ts; tests of the harness run another */
  readonly program?: string;
  /** what it prints is added to this file, besides; default none */
  readonly logFile?: string;
  /** how long to wait for /readyz, default 20000 */
  readonly readyTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An agent that runs as a process of its own. */
export interface AgentProcess {
  /** the node name */
  readonly name: string;
  /** "http(s)://ip:port" */
  readonly url: string;
  readonly ip: string;
  readonly port: number;
  /** "http://ip:port" of /metrics, /healthz and /readyz */
  readonly metricsUrl: string;
  readonly pid: number;
  /** how the process that was started last has ended; undefined while it runs */
  status(): ExitStatus | undefined;
  /** settles when the process that was started last has ended */
  exited(): Promise<ExitStatus>;
  logs(): string;
  /** Sends a signal (default SIGKILL); waits for the end when the signal asks for it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs, starts it again with the same ports and arguments (or those given), waits until ready. */
  restart(changes?: { readonly args?: readonly string[]; readonly signal?: AbortSignal }): Promise<void>;
  /** SIGTERM, then SIGKILL after graceMs (default 5000). */
  stop(graceMs?: number): Promise<void>;
}

/** An address with two ports. */
interface Listen {
  readonly ip: string;
  readonly port: number;
  readonly metricsPort: number;
}

const agentMain = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

/**
 * Starts an agent and waits until /readyz says yes. In a network namespace of its own it shares nothing with containerd
 * but the socket and the content folder, as in a pod. Throws an Error with the agent's log when it does not become ready.
 */
export async function startAgent(options: AgentOptions): Promise<AgentProcess> {
  const { containerd, network, tls, readyTimeoutMs = 20_000 } = options;
  const name = options.node ?? containerd.name;
  const listen = await chooseAddress(network);
  const metricsUrl = `http://${listen.ip}:${listen.metricsPort}`;
  let args = options.args ?? [];
  let agent = start(options, name, listen, args);
  await ready(agent, metricsUrl, readyTimeoutMs, options.signal);

  return {
    name,
    url: `${tls === undefined ? "http" : "https"}://${listen.ip}:${listen.port}`,
    ip: listen.ip,
    port: listen.port,
    metricsUrl,
    get pid() {
      return agent.pid;
    },
    status: () => agent.status(),
    exited: () => agent.exited,
    logs: () => agent.logs(),
    kill: (signal) => agent.kill(signal),
    stop: (graceMs) => agent.stop(graceMs),
    async restart(changes = {}) {
      await agent.stop();
      args = changes.args ?? args;
      agent = start(options, name, listen, args);
      await ready(agent, metricsUrl, readyTimeoutMs, changes.signal);
    },
  };
}

async function chooseAddress(network: AgentOptions["network"]): Promise<Listen> {
  if (network !== undefined) return { ip: network.ip, port: 9090, metricsPort: 8081 };
  const [port = 0, metricsPort = 0] = await freePorts(2);
  return { ip: "127.0.0.1", port, metricsPort };
}

function start(
  options: AgentOptions,
  name: string,
  listen: Listen,
  extra: readonly string[],
): RunningProcess {
  const { containerd, cleanup, network, env, wrapper = [], program = agentMain, logFile } = options;
  const [command, ...args] = commandLine(
    [...wrapper, ...(network?.prefix ?? [])],
    process.execPath,
    program,
    "--node-name",
    name,
    "--containerd-socket",
    containerd.socket,
    "--containerd-root",
    containerd.root,
    "--bind-address",
    listen.ip,
    "--grpc-port",
    String(listen.port),
    "--metrics-addr",
    `${listen.ip}:${listen.metricsPort}`,
    ...trust(options.tls),
    ...extra,
  );
  return startProcess({
    name: `agent ${name}`,
    command,
    args,
    cleanup,
    logFile,
    ...(env !== undefined && { env }),
  });
}

function trust(tls: AgentOptions["tls"]): readonly string[] {
  if (tls === undefined) return ["--insecure", "--insecure-bind-any"];
  const file = (base: string): string => join(tls.certDir, base);
  return ["--tls-cert", file("tls.crt"), "--tls-key", file("tls.key"), "--tls-ca", file("ca.crt")];
}

async function ready(
  agent: RunningProcess,
  metricsUrl: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await waitFor(
      `${metricsUrl}/readyz`,
      async () => {
        if (agent.status() !== undefined) throw new GiveUp(`${agent.name} has ended`);
        const answer = await fetch(`${metricsUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
        await answer.body?.cancel();
        return answer.ok;
      },
      { timeoutMs, signal },
    );
  } catch (error) {
    const log = agent.logs();
    await agent.stop();
    throw new Error(`${agent.name} did not become ready; its log:\n${log}`, { cause: error });
  }
}
