import { formatHelp } from "../../lib/flag-help.ts";
import type { ConfigResult } from "../../lib/flag-types.ts";
import { defineFlags, parseFlags, type Environment } from "../../lib/flags.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import type { TlsFiles } from "../../lib/tls.ts";
import { readAgents } from "../config-rules.ts";
import type { KubeConfigSource } from "../kube/kube-config.ts";

/** The flags of `tote doctor`. */
export const DOCTOR_FLAGS = defineFlags({
  namespace: { kind: "string", default: "tote-system", help: "namespace of the controller" },
  "agent-namespace": { kind: "string", help: "namespace of the agents; default: the controller's" },
  kubeconfig: {
    kind: "path",
    help: "how to reach the API server; default: $KUBECONFIG, ~/.kube/config, the pod's service account",
  },
  context: { kind: "string", help: "context of the kubeconfig; default: its current one" },
  output: {
    kind: "choice",
    choices: ["auto", "json", "text"],
    default: "auto",
    help: "auto: text on a terminal, JSON otherwise",
  },
  "tls-cert": {
    kind: "path",
    help: "certificate with the role tote-operator, PEM; agents are called with it",
  },
  "tls-key": { kind: "path", help: "its private key, PEM" },
  "tls-ca": { kind: "path", help: "the CA that signs for this release only, PEM" },
  insecure: { kind: "boolean", help: "call agents without TLS, for agents with --insecure" },
  "agent-grpc-port": { kind: "int", default: 9090, min: 1, max: 65_535, help: "RPC port of the agents" },
  agents: {
    kind: "list",
    placeholder: "NODE=URL,...",
    help: "agents by node instead of those in --agent-namespace, for machines without pod network",
  },
  "controller-url": {
    kind: "string",
    placeholder: "URL",
    help: "where the controller serves /readyz, e.g. through kubectl port-forward; it is asked about its watches",
  },
  "lease-name": { kind: "string", default: "tote-controller", help: "name of the controller's Lease" },
  timeout: { kind: "duration", default: "1m", min: "1s", help: "time for everything" },
});

const ABOUT = `Checks what tote needs: the API server, the definition of SalvageRecord, controller and agents, nodes that
cannot take part, who has opted in. Prints {"checks":[{"name","status":"ok|warn|fail","message"}],"ok":true|false};
exits with 1 when a check fails.`;

/** The doctor's settings. */
export interface DoctorConfig {
  readonly kube: KubeConfigSource;
  readonly namespace: string;
  readonly agentNamespace: string;
  readonly leaseName: string;
  readonly agentGrpcPort: number;
  /** URL by node; empty to find agents as pods */
  readonly agents: ReadonlyMap<string, string>;
  /** undefined without */
  readonly tls: TlsFiles | undefined;
  readonly insecure: boolean;
  /** base URL of /readyz, without a slash at its end; undefined when it is not asked */
  readonly controllerUrl: string | undefined;
  readonly output: "auto" | "json" | "text";
  readonly timeoutMs: number;
}

/** What a command line asks of the doctor. */
export type DoctorConfigResult = ConfigResult<DoctorConfig>;

/**
 * Reads the doctor's flags and their environment twins.
 * @param exists whether a file is there
 */
export function readDoctorConfig(
  argv: readonly string[],
  env: Environment,
  exists: (path: string) => boolean,
): DoctorConfigResult {
  const parsed = parseFlags(DOCTOR_FLAGS, argv, env);
  if (parsed.kind === "error") return parsed;
  if (parsed.kind === "help") {
    return { kind: "help", text: formatHelp("tote doctor [flags]", ABOUT, DOCTOR_FLAGS) };
  }
  const { values } = parsed;
  try {
    const agents = readAgents(values.agents, values.insecure);
    const { namespace, agentNamespace = namespace, leaseName, agentGrpcPort, insecure, output } = values;
    return {
      kind: "config",
      config: {
        kube: kubeSource(values, env, exists),
        namespace,
        agentNamespace,
        leaseName,
        agentGrpcPort,
        agents: new Map(agents.map(({ node, endpoint }) => [node, endpoint.url])),
        tls: readTls(values),
        insecure,
        controllerUrl: readUrl(values.controllerUrl),
        output,
        timeoutMs: values.timeout,
      },
    };
  } catch (error) {
    if (error instanceof InvalidValueError) return { kind: "error", message: error.message };
    throw error;
  }
}

/** As kubectl looks for it. */
function kubeSource(
  { kubeconfig, context }: { readonly kubeconfig: string | undefined; readonly context: string | undefined },
  env: Environment,
  exists: (path: string) => boolean,
): KubeConfigSource {
  const file = (path: string): KubeConfigSource => ({
    kind: "file",
    path,
    ...(context !== undefined && { context }),
  });
  if (kubeconfig !== undefined) return file(kubeconfig);
  const given = (env["KUBECONFIG"] ?? "").split(":").filter((path) => path !== "");
  if (given.length > 1) {
    throw new InvalidValueError("KUBECONFIG", `names ${given.length} files, choose one with --kubeconfig`);
  }
  const usual = given[0] ?? `${env["HOME"] ?? ""}/.kube/config`;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (given.length === 1 || exists(usual)) return file(usual);
  if (host !== undefined && port !== undefined) return { kind: "in-cluster", host, port };
  throw new InvalidValueError(
    "--kubeconfig",
    `is required: there is no ${usual}, and this is no pod of a cluster`,
  );
}

function readTls(values: {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsCa: string | undefined;
  readonly insecure: boolean;
}): TlsFiles | undefined {
  const { tlsCert: cert, tlsKey: key, tlsCa: ca, insecure } = values;
  const given = [cert, key, ca].filter((file) => file !== undefined).length;
  if (given > 0 && insecure) {
    throw new InvalidValueError("--insecure", "excludes --tls-cert, --tls-key and --tls-ca");
  }
  if (cert !== undefined && key !== undefined && ca !== undefined) return { cert, key, ca };
  if (given === 0) return undefined;
  throw new InvalidValueError("--tls-cert, --tls-key and --tls-ca", "are given together or not at all");
}

function readUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) {
    throw new InvalidValueError(
      "--controller-url",
      `${JSON.stringify(text)} is not allowed, must be a URL such as http://127.0.0.1:8081`,
    );
  }
  return text.replace(/\/+$/, "");
}
