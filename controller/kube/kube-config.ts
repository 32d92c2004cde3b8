import { join } from "node:path";

import type { Dispatcher } from "undici";

import type { Clock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import { CREDENTIALS_MAX_AGE_MS } from "./limits.ts";
import type { SharedAgentConfig } from "./shared-agent-config.ts";

/** Where a pod finds its service account. Source: Kubernetes, "Accessing the API from a Pod". */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Which cluster, and as whom. */
export type KubeConfigSource =
  | {
      readonly kind: "file";
      readonly path: string;
      /** default: the file's current context */
      readonly context?: string;
    }
  | {
      readonly kind: "in-cluster";
      /** `KUBERNETES_SERVICE_HOST` */
      readonly host: string;
      /** `KUBERNETES_SERVICE_PORT` */
      readonly port: string;
      /** default {@link SERVICE_ACCOUNT_DIRECTORY} */
      readonly directory?: string;
    };

/** What a request needs besides its path. */
export interface Credentials {
  /** holds secrets: never log it */
  readonly headers: Readonly<Record<string, string>>;
  /** the connections that all requests share */
  readonly dispatcher: Dispatcher;
}

/** The way to an API server. */
export interface KubeConnection {
  /** base of every path, without a slash at its end */
  readonly server: string;
  /**
   * Headers and connections for a request; files and plugins behind them are asked at most every 10 s.
   * @throws Error when they fail
   */
  credentials(signal: AbortSignal): Promise<Credentials>;
  /** Asks files and plugins again at the next request: the API server did not take what they gave. */
  refresh(): void;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Loads a kubeconfig, or the service account of the pod that this process runs in, with the means of client-node:
 * tokens, token files, client certificates, exec plugins, OIDC.
 * @throws Error that names the file and what is wrong with it
 */
export async function loadKubeConnection(source: KubeConfigSource, clock: Clock): Promise<KubeConnection> {
  // 60 MB of generated code: not for `--help`
  const [{ SharedAgentConfig }, { RequestContext, HttpMethod }] = await Promise.all([
    import("./shared-agent-config.ts"),
    import("@kubernetes/client-node"),
  ]);
  const config = new SharedAgentConfig();
  const name = source.kind === "file" ? `kubeconfig ${source.path}` : "service account of this pod";
  try {
    load(config, source);
  } catch (error) {
    throw new Error(`cannot load the ${name}: ${describeError(error)}`, { cause: error });
  }
  const server = serverOf(config, name);
  let known: { readonly at: number; readonly credentials: Credentials } | undefined;

  return {
    server,
    async credentials(signal) {
      signal.throwIfAborted();
      if (known !== undefined && clock.monotonic() - known.at < CREDENTIALS_MAX_AGE_MS) {
        return known.credentials;
      }
      const at = clock.monotonic();
      const context = new RequestContext(server, HttpMethod.GET);
      try {
        await config.applySecurityAuthentication(context);
      } catch (error) {
        throw new Error(`cannot authenticate with the ${name}: ${describeError(error)}`, { cause: error });
      }
      signal.throwIfAborted();
      const dispatcher = context.getDispatcher();
      if (dispatcher === undefined) throw new Error(`cannot connect with the ${name}`);
      const headers = Object.entries(context.getHeaders()).map(([key, value]) => [key, value.trim()]);
      known = { at, credentials: { headers: Object.fromEntries(headers), dispatcher } };
      return known.credentials;
    },
    refresh() {
      known = undefined;
    },
    close: () => config.close(),
  };
}

function load(config: SharedAgentConfig, source: KubeConfigSource): void {
  if (source.kind === "file") {
    config.loadFromFile(source.path);
    if (source.context !== undefined) config.setCurrentContext(source.context);
    return;
  }
  const directory = source.directory ?? SERVICE_ACCOUNT_DIRECTORY;
  const host = source.host.includes(":") ? `[${source.host}]` : source.host;
  config.loadFromClusterAndUser(
    {
      name: "in-cluster",
      server: `https://${host}:${source.port}`,
      caFile: join(directory, "ca.crt"),
      skipTLSVerify: false,
    },
    // the kubelet renews the token; client-node reads it again once a minute
    {
      name: "service-account",
      authProvider: { name: "tokenFile", config: { tokenFile: join(directory, "token") } },
    },
  );
}

function serverOf(config: SharedAgentConfig, name: string): string {
  const context = config.getCurrentContext();
  if (config.getContextObject(context) === null) {
    throw new Error(`cannot use the ${name}: it has no context "${context ?? ""}", set current-context`);
  }
  const server = config.getCurrentCluster()?.server ?? "";
  if (!URL.canParse(server)) {
    throw new Error(
      `cannot use the ${name}: context "${context}" leads to the server "${server}", which is no URL`,
    );
  }
  return server.replace(/\/+$/, "");
}
