import type { Cleanup } from "./cleanup.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import type { NetworkNode } from "./netns.ts";

/** Options of startAgent. */
export interface AgentOptions {
  readonly cleanup: Cleanup;
  readonly containerd: ContainerdNode;
  /** --node-name, default containerd.name */
  readonly node?: string;
  /** the agent's own network namespace; default: 127.0.0.1 of the host with free ports */
  readonly network?: NetworkNode;
  /** folder with tls.crt, tls.key and ca.crt; default: --insecure --insecure-bind-any */
  readonly tls?: { readonly certDir: string };
  /** further command line arguments, e.g. ["--orphan-grace", "1s"] */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
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
  logs(): string;
  /** Sends a signal; waits for the end unless the signal is SIGSTOP or SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs, starts it again with the same ports and arguments (or those given), waits until ready. */
  restart(changes?: { readonly args?: readonly string[]; readonly signal?: AbortSignal }): Promise<void>;
  /** SIGTERM, then SIGKILL after graceMs (default 5000). */
  stop(graceMs?: number): Promise<void>;
}

/** Starts agent/main.ts and waits until /readyz says yes. */
export declare function startAgent(options: AgentOptions): Promise<AgentProcess>;
