import { formatHelp } from "../lib/flag-help.ts";
import type { ConfigResult, HostPort } from "../lib/flag-types.ts";
import { defineFlags, parseFlags, type Environment } from "../lib/flags.ts";
import { InvalidValueError } from "../lib/errors.ts";
import { JSON_LOG_CHOICES, LOG_LEVELS, type LogLevel } from "../lib/log.ts";
import type { TlsFiles } from "../lib/tls.ts";
import {
  readAdmission,
  readAgents,
  readWebhook,
  refuseUnbuilt,
  type FixedAgent,
  type Webhook,
} from "./config-rules.ts";
import { TRANSITION_TYPES, type TransitionType } from "./objects/salvage-record.ts";
import { AUTHORISATION_MODES, type AuthorisationMode } from "./salvage/authorise.ts";
import type { AdmissionConfig } from "./webhook/serve-webhook.ts";

const NOT_BUILT = "not built yet, must not be set";

/** The flags of `tote controller`. */
export const CONTROLLER_FLAGS = defineFlags({
  enabled: { kind: "boolean", default: true, help: "false: see nothing, do nothing, in the whole cluster" },
  kubeconfig: { kind: "path", help: "how to reach the API server; default: the pod's service account" },
  "cluster-name": { kind: "string", help: "source of events; default: the uid of the namespace kube-system" },
  "agent-namespace": {
    kind: "string",
    default: "",
    help: "namespace of the agents' pods; without it and --agents failures are detected only",
  },
  "agent-grpc-port": { kind: "int", default: 9090, min: 1, max: 65_535, help: "RPC port of the agents" },
  agents: {
    kind: "list",
    placeholder: "NODE=URL,...",
    help: "agents by node instead of those in --agent-namespace, for machines without pod network",
  },
  "max-concurrent-salvages": {
    kind: "int",
    default: 0,
    min: 0,
    max: 1000,
    help: "transfers at the same time; 0: 1 to each target, 2 from each source, 32 in all",
  },
  "max-image-size": {
    kind: "size",
    default: "2147483648",
    help: "largest image in compressed bytes; 0 means no limit",
  },
  "min-free-percent": {
    kind: "int",
    default: 20,
    min: 0,
    max: 99,
    help: "share of a node's image filesystem that a salvage leaves free",
  },
  "image-authorization": {
    kind: "choice",
    choices: AUTHORISATION_MODES,
    default: "repository",
    help: "what a salvage must rest on: strict: a pod of the namespace has the image; repository: or a node has it under that repository and the registry did not refuse; off: nothing",
  },
  "session-ttl": { kind: "duration", default: "5m", min: "10s", max: "1h", help: "how long a grant lives" },
  "salvagerecord-ttl": {
    kind: "duration",
    default: "168h",
    help: "how long ended SalvageRecords are kept; 0 keeps them for ever",
  },
  "webhook-url": {
    kind: "string",
    default: "",
    help: "URL that events are posted to: the relay's /v1/events",
  },
  "webhook-events": {
    kind: "list",
    choices: TRANSITION_TYPES,
    help: "events that are posted; default all",
  },
  "webhook-token-file": { kind: "path", help: "file with the relay's token for posting events" },
  "webhook-ca": { kind: "path", help: "CA that the relay's certificate is checked with, PEM" },
  "webhook-listen": {
    kind: "hostport",
    help: "where annotations are validated for the API server, over TLS; default: nowhere",
  },
  "webhook-tls-cert": { kind: "path", help: "certificate for that, with the name of its Service, PEM" },
  "webhook-tls-key": { kind: "path", help: "its private key, PEM" },
  "metrics-addr": { kind: "hostport", default: ":8080", help: "plain HTTP for /metrics" },
  "health-addr": { kind: "hostport", default: ":8081", help: "plain HTTP for /healthz and /readyz" },
  "leader-elect": { kind: "boolean", default: true, help: "false: lead at once, for a single controller" },
  "lease-namespace": { kind: "string", help: "namespace of the Lease; default: the pod's own" },
  "lease-name": { kind: "string", default: "tote-controller", help: "name of the Lease" },
  identity: { kind: "string", help: "name of this controller in Lease and Events; default: the host's name" },
  "tls-cert": { kind: "path", help: "certificate with the role tote-controller, PEM" },
  "tls-key": { kind: "path", help: "its private key, PEM; signs grants, too" },
  "tls-ca": { kind: "path", help: "the CA that signs for this release only, PEM" },
  insecure: { kind: "boolean", help: "no TLS to agents and no grants, for agents with --insecure" },
  "shutdown-timeout": { kind: "duration", default: "20s", help: "how long running work has at the end" },
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
  "backup-registry": { kind: "string", default: "", help: NOT_BUILT },
  "backup-registry-secret": { kind: "string", default: "", help: NOT_BUILT },
  "backup-registry-insecure": { kind: "boolean", help: NOT_BUILT },
  "registry-resolve": { kind: "boolean", help: NOT_BUILT },
  "registry-resolve-timeout": { kind: "duration", default: "5s", help: NOT_BUILT },
  "registry-resolve-ca": { kind: "string", default: "", help: NOT_BUILT },
  "registry-insecure": { kind: "boolean", help: NOT_BUILT },
});

/** The controller's settings. */
export interface ControllerConfig {
  readonly enabled: boolean;
  /** undefined in the cluster */
  readonly kubeconfig: string | undefined;
  /** undefined: the uid of kube-system */
  readonly clusterName: string | undefined;
  /** "" without; see `agents` */
  readonly agentNamespace: string;
  readonly agentGrpcPort: number;
  /** given by hand; empty to find them as pods of `agentNamespace` */
  readonly agents: readonly FixedAgent[];
  /** 0 for the default limits */
  readonly maxConcurrentSalvages: number;
  /** compressed bytes, 0 for no limit */
  readonly maxImageBytes: number;
  readonly minFreePercent: number;
  readonly imageAuthorization: AuthorisationMode;
  readonly grantLifetimeMs: number;
  /** 0 keeps records for ever */
  readonly recordTtlMs: number;
  /** undefined when nobody is told */
  readonly webhook: Webhook | undefined;
  /** what the relay is told; empty without a relay */
  readonly webhookEvents: ReadonlySet<TransitionType>;
  /** undefined when annotations are not validated */
  readonly admission: AdmissionConfig | undefined;
  readonly metricsAddr: HostPort;
  readonly healthAddr: HostPort;
  readonly leaderElect: boolean;
  /** undefined: the pod's own */
  readonly leaseNamespace: string | undefined;
  readonly leaseName: string;
  /** undefined: the host's name */
  readonly identity: string | undefined;
  /** undefined with `--insecure`, and where there are no agents */
  readonly tls: TlsFiles | undefined;
  readonly insecure: boolean;
  readonly shutdownTimeoutMs: number;
  readonly jsonLog: (typeof JSON_LOG_CHOICES)[number];
  readonly logLevel: LogLevel;
}

/** What a command line asks of the controller. */
export type ControllerConfigResult = ConfigResult<ControllerConfig>;

/** Reads the controller's flags and their environment twins. Pure. */
export function readControllerConfig(argv: readonly string[], env: Environment): ControllerConfigResult {
  const parsed = parseFlags(CONTROLLER_FLAGS, argv, env);
  if (parsed.kind === "error") return parsed;
  if (parsed.kind === "help") {
    const about =
      "Watches for pods whose image cannot be pulled and has it moved from nodes that still hold it.";
    return { kind: "help", text: formatHelp("tote [controller] [flags]", about, CONTROLLER_FLAGS) };
  }
  const { values } = parsed;
  try {
    refuseUnbuilt(values);
    const agents = readAgents(values.agents, values.insecure);
    const webhook = readWebhook(values);
    const { enabled, kubeconfig, clusterName, agentNamespace, agentGrpcPort } = values;
    const { maxConcurrentSalvages, minFreePercent, imageAuthorization } = values;
    const { metricsAddr, healthAddr, leaderElect, leaseNamespace, leaseName, identity } = values;
    const { insecure, jsonLog, logLevel } = values;
    return {
      kind: "config",
      config: {
        enabled,
        kubeconfig,
        clusterName,
        agentNamespace,
        agentGrpcPort,
        agents,
        maxConcurrentSalvages,
        maxImageBytes: values.maxImageSize,
        minFreePercent,
        imageAuthorization,
        grantLifetimeMs: values.sessionTtl,
        recordTtlMs: values.salvagerecordTtl,
        webhook,
        webhookEvents: new Set(webhook === undefined ? [] : eventsOf(values.webhookEvents)),
        admission: readAdmission(values),
        metricsAddr,
        healthAddr,
        leaderElect,
        leaseNamespace,
        leaseName,
        identity,
        tls: readTls(values, agents.length > 0 || agentNamespace !== ""),
        insecure,
        shutdownTimeoutMs: values.shutdownTimeout,
        jsonLog,
        logLevel,
      },
    };
  } catch (error) {
    if (error instanceof InvalidValueError) return { kind: "error", message: error.message };
    throw error;
  }
}

function eventsOf(given: readonly TransitionType[]): readonly TransitionType[] {
  return given.length === 0 ? TRANSITION_TYPES : given;
}

function readTls(
  values: {
    readonly tlsCert: string | undefined;
    readonly tlsKey: string | undefined;
    readonly tlsCa: string | undefined;
    readonly insecure: boolean;
  },
  hasAgents: boolean,
): TlsFiles | undefined {
  const { tlsCert, tlsKey, tlsCa, insecure } = values;
  const given = [tlsCert, tlsKey, tlsCa].filter((file) => file !== undefined).length;
  if (insecure) {
    if (given === 0) return undefined;
    throw new InvalidValueError("--insecure", "excludes --tls-cert, --tls-key and --tls-ca");
  }
  if (tlsCert !== undefined && tlsKey !== undefined && tlsCa !== undefined) {
    return { cert: tlsCert, key: tlsKey, ca: tlsCa };
  }
  if (given === 0 && !hasAgents) return undefined;
  throw new InvalidValueError(
    "--tls-cert, --tls-key and --tls-ca",
    "all three are required to talk to agents, or --insecure to go without",
  );
}
