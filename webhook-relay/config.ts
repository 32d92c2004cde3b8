import { isIPv4 } from "node:net";

import { formatHelp } from "../lib/flag-help.ts";
import type { ConfigResult, HostPort } from "../lib/flag-types.ts";
import { formatHostPort } from "../lib/flag-values.ts";
import { defineFlags, parseFlags, type Environment } from "../lib/flags.ts";
import { JSON_LOG_CHOICES, LOG_LEVELS, type LogLevel } from "../lib/log.ts";
import type { RetentionPolicy } from "./housekeeper.ts";
import type { TokenFiles } from "./tokens.ts";

/** The flags of `tote webhook-relay`. */
export const RELAY_FLAGS = defineFlags({
  listen: {
    kind: "hostport",
    default: "127.0.0.1:8090",
    help: "where events are posted and the page is; without TLS loopback only",
  },
  config: { kind: "path", required: true, help: "YAML file of subscriptions; reloaded when it changes" },
  "data-dir": { kind: "path", required: true, help: "folder of the store, for this relay alone" },
  "ephemeral-data": {
    kind: "boolean",
    help: "say in the metrics that --data-dir goes with the pod, and what is not delivered with it",
  },
  "token-file": {
    kind: "path",
    required: true,
    help: "token to post events with; a second line is valid, too",
  },
  "read-token-file": { kind: "path", help: "token to read lists and the page with; without it nobody may" },
  "admin-token-file": {
    kind: "path",
    help: "token to replay, test, enable and disable with; without it nobody may",
  },
  "metrics-addr": {
    kind: "hostport",
    default: ":8081",
    help: "plain HTTP for /metrics, /healthz and /readyz",
  },
  "tls-cert": { kind: "path", help: "certificate with the role tote-relay, PEM" },
  "tls-key": { kind: "path", help: "its private key, PEM" },
  "tls-ca": { kind: "path", help: "CA of clients' certificates, PEM, see --require-client-cert" },
  "require-client-cert": {
    kind: "boolean",
    help: "take events only from a client with a certificate of --tls-ca and the role tote-controller",
  },
  "insecure-bind-any": { kind: "boolean", help: "listen beyond loopback without TLS" },
  retention: { kind: "duration", default: "168h", min: "1m", help: "how long delivered events are kept" },
  "dead-letter-retention": {
    kind: "duration",
    default: "720h",
    min: "1m",
    help: "how long dead deliveries are kept, counted from their death",
  },
  "max-db-size": {
    kind: "size",
    default: "1Gi",
    min: "16Mi",
    help: "size of the data past which old events go early, and new ones are refused when none can go",
  },
  "reload-interval": {
    kind: "duration",
    default: "5s",
    min: "100ms",
    max: "10m",
    help: "how often configuration, secrets, tokens and certificates are looked at",
  },
  "refuse-private-addresses": {
    kind: "boolean",
    help: "do not dial private networks either, unless a subscription's allowAddresses names them",
  },
  "shutdown-timeout": {
    kind: "duration",
    default: "20s",
    help: "how long attempts under way have at the end",
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

/** Files of the relay's own TLS. */
export interface ServerTlsFiles {
  readonly cert: string;
  readonly key: string;
  /** of clients; undefined when they need no certificate */
  readonly ca: string | undefined;
}

/** The relay's settings. */
export interface RelayConfig {
  readonly listen: HostPort;
  readonly configFile: string;
  readonly dataDir: string;
  /** the store is lost with the pod; only said, nothing is done otherwise */
  readonly ephemeralData: boolean;
  readonly tokenFiles: TokenFiles;
  readonly metricsAddr: HostPort;
  /** undefined: plain HTTP */
  readonly tls: ServerTlsFiles | undefined;
  readonly requireClientCert: boolean;
  readonly retention: RetentionPolicy;
  readonly reloadIntervalMs: number;
  readonly refusePrivateAddresses: boolean;
  /** addresses that are refused as well: that of the Kubernetes API */
  readonly alsoRefuse: readonly string[];
  readonly shutdownTimeoutMs: number;
  readonly jsonLog: (typeof JSON_LOG_CHOICES)[number];
  readonly logLevel: LogLevel;
}

/** What a command line asks of the relay. */
export type RelayConfigResult = ConfigResult<RelayConfig>;

/** Reads the relay's flags and their environment twins. Pure. */
export function readRelayConfig(argv: readonly string[], env: Environment): RelayConfigResult {
  const parsed = parseFlags(RELAY_FLAGS, argv, env);
  if (parsed.kind === "error") return parsed;
  if (parsed.kind === "help") {
    const about = "Takes tote's events and delivers them to webhooks and Slack: signed, retried, never lost.";
    const usage = "tote webhook-relay --config FILE --data-dir DIR --token-file FILE [flags]";
    return { kind: "help", text: formatHelp(usage, about, RELAY_FLAGS) };
  }
  const { values } = parsed;
  const { listen, tlsCert, tlsKey, tlsCa, requireClientCert } = values;
  const refuse = (message: string): RelayConfigResult => ({ kind: "error", message });
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const missing = tlsCert === undefined ? "--tls-cert" : "--tls-key";
    return refuse(`${missing}: is required, --tls-cert and --tls-key belong together`);
  }
  // whoever shows a certificate is asked for one only where it counts: browsers would ask their users
  const ca = requireClientCert ? tlsCa : undefined;
  const tls = tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey, ca };
  if (tls === undefined && tlsCa !== undefined)
    return refuse("--tls-ca: needs --tls-cert and --tls-key, too");
  if (requireClientCert && (tls === undefined || tlsCa === undefined)) {
    return refuse("--require-client-cert: needs --tls-cert, --tls-key and --tls-ca");
  }
  if (tls === undefined && !values.insecureBindAny && !isLoopback(listen.host)) {
    return refuse(
      `--listen: ${formatHostPort(listen)} is not loopback, it needs --tls-cert and --tls-key, or --insecure-bind-any: tokens and events would be readable on the way`,
    );
  }
  return {
    kind: "config",
    config: {
      listen,
      configFile: values.config,
      dataDir: values.dataDir,
      ephemeralData: values.ephemeralData,
      tokenFiles: {
        ingest: values.tokenFile,
        read: values.readTokenFile,
        admin: values.adminTokenFile,
      },
      metricsAddr: values.metricsAddr,
      tls,
      requireClientCert,
      retention: {
        eventsMs: values.retention,
        deadMs: values.deadLetterRetention,
        maxBytes: values.maxDbSize,
      },
      reloadIntervalMs: values.reloadInterval,
      refusePrivateAddresses: values.refusePrivateAddresses,
      alsoRefuse: kubernetesApi(env),
      shutdownTimeoutMs: values.shutdownTimeout,
      jsonLog: values.jsonLog,
      logLevel: values.logLevel,
    },
  };
}

/** Kubernetes tells every container where its API is. */
function kubernetesApi(env: Environment): readonly string[] {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  return isIPv4(host) || host.includes(":") ? [host] : [];
}

function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || (isIPv4(host) && host.startsWith("127."));
}
