import { isIPv4 } from "node:net";

import { formatHelp } from "../lib/flag-help.ts";
import type { ConfigResult, HostPort } from "../lib/flag-types.ts";
import { defineFlags, parseFlags, type Environment } from "../lib/flags.ts";
import { JSON_LOG_CHOICES, LOG_LEVELS, type LogLevel } from "../lib/log.ts";
import type { TlsFiles } from "../lib/tls.ts";
import { MAX_EXPORTS, MIN_BANDWIDTH } from "./limits.ts";

/** The flags of `tote agent`. */
export const AGENT_FLAGS = defineFlags({
  "node-name": { kind: "string", required: true, help: "name of the Kubernetes node this agent runs on" },
  "containerd-socket": {
    kind: "path",
    default: "/run/containerd/containerd.sock",
    help: "containerd's socket; mount its folder, the socket is new after a restart",
  },
  "containerd-root": {
    kind: "path",
    default: "/var/lib/containerd",
    help: "containerd's root as the agent sees it, read-only; without it blobs are read through the socket",
  },
  "bind-address": {
    kind: "string",
    placeholder: "IP",
    help: "address of the RPC port; default all addresses of IPv4 and IPv6, with --insecure 127.0.0.1",
  },
  "grpc-port": {
    kind: "int",
    default: 9090,
    min: 0,
    max: 65_535,
    help: "RPC port: Connect, gRPC and gRPC-Web; 0 takes a free one",
  },
  "metrics-addr": {
    kind: "hostport",
    default: ":8081",
    help: "plain HTTP for /metrics, /healthz and /readyz",
  },
  "tls-cert": { kind: "path", help: "certificate with the role tote-agent, PEM" },
  "tls-key": { kind: "path", help: "its private key, PEM" },
  "tls-ca": { kind: "path", help: "the CA that signs for this release only, PEM" },
  insecure: {
    kind: "boolean",
    help: "no TLS and no grants: whoever connects may do everything; loopback only",
  },
  "insecure-bind-any": {
    kind: "boolean",
    help: "let --insecure listen beyond loopback: on every address, or that of --bind-address",
  },
  "max-bandwidth": {
    kind: "size",
    default: "0",
    help: "bytes per second, in and out each, at least 128Ki; 0 means no limit",
  },
  "orphan-grace": { kind: "duration", default: "2m", help: "how long an import goes on without a caller" },
  "shutdown-timeout": {
    kind: "duration",
    default: "30s",
    help: "how long running transfers have at the end",
  },
  "json-log": {
    kind: "choice",
    choices: JSON_LOG_CHOICES,
    default: "auto",
    bare: "true",
    help: "JSON log lines; auto: unless it is a terminal",
  },
  "log-level": {
    kind: "choice",
    choices: LOG_LEVELS,
    default: "info",
    help: "least severe level that is logged",
  },
});

/** The agent's settings. */
export interface AgentConfig {
  readonly nodeName: string;
  readonly containerdSocket: string;
  readonly containerdRoot: string;
  /** empty for every address */
  readonly bindAddress: string;
  readonly grpcPort: number;
  readonly metricsAddr: HostPort;
  /** undefined with --insecure */
  readonly tls: TlsFiles | undefined;
  /** bytes per second, 0 for no limit */
  readonly maxBandwidth: number;
  readonly orphanGraceMs: number;
  readonly shutdownTimeoutMs: number;
  readonly jsonLog: (typeof JSON_LOG_CHOICES)[number];
  readonly logLevel: LogLevel;
}

/** What a command line asks of the agent. */
export type AgentConfigResult = ConfigResult<AgentConfig>;

/** Reads the agent's flags and their environment twins. Pure. */
export function readAgentConfig(argv: readonly string[], env: Environment): AgentConfigResult {
  const parsed = parseFlags(AGENT_FLAGS, argv, env);
  if (parsed.kind === "error") return parsed;
  if (parsed.kind === "help") {
    const about = "Moves container images between this node's containerd and the agents of other nodes.";
    return { kind: "help", text: formatHelp("tote agent --node-name NAME [flags]", about, AGENT_FLAGS) };
  }
  const { values } = parsed;
  const { tlsCert, tlsKey, tlsCa, insecure } = values;
  const refuse = (message: string): AgentConfigResult => ({ kind: "error", message });
  const given = [tlsCert, tlsKey, tlsCa].filter((file) => file !== undefined);
  if (insecure && given.length > 0) return refuse("--insecure: excludes --tls-cert, --tls-key and --tls-ca");
  let tls: TlsFiles | undefined;
  if (tlsCert !== undefined && tlsKey !== undefined && tlsCa !== undefined) {
    tls = { cert: tlsCert, key: tlsKey, ca: tlsCa };
  } else if (!insecure) {
    return refuse("--tls-cert, --tls-key and --tls-ca: all three are required, or --insecure to go without");
  }
  const isGuarded = insecure && !values.insecureBindAny;
  const bindAddress = values.bindAddress ?? (isGuarded ? "127.0.0.1" : "");
  if (isGuarded && !isLoopback(bindAddress)) {
    return refuse(
      `--bind-address: ${bindAddress} is not loopback, --insecure needs --insecure-bind-any for it: anyone who can connect could read and write images`,
    );
  }
  const {
    nodeName,
    containerdSocket,
    containerdRoot,
    grpcPort,
    metricsAddr,
    maxBandwidth,
    jsonLog,
    logLevel,
  } = values;
  if (maxBandwidth > 0 && maxBandwidth < MIN_BANDWIDTH) {
    return refuse(
      `--max-bandwidth: ${maxBandwidth} bytes per second are too few for ${MAX_EXPORTS} streams, must be at least ${MIN_BANDWIDTH / 1024}Ki, or 0 for no limit`,
    );
  }
  return {
    kind: "config",
    config: {
      nodeName,
      containerdSocket,
      containerdRoot,
      bindAddress,
      grpcPort,
      metricsAddr,
      tls,
      maxBandwidth,
      orphanGraceMs: values.orphanGrace,
      shutdownTimeoutMs: values.shutdownTimeout,
      jsonLog,
      logLevel,
    },
  };
}

function isLoopback(address: string): boolean {
  return address === "::1" || (isIPv4(address) && address.startsWith("127."));
}
