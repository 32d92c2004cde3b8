import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { parse } from "yaml";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import { asObject } from "../../controller/objects/json.ts";
import { clusterConfig } from "../cluster/config.ts";
import { startRealControlCluster } from "../cluster/real-control-cluster.ts";
import { createApiServer, parseObject } from "../harness/apiserver/server.ts";
import type { ApiServer, PolicyRule } from "../harness/apiserver/types.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import { CORE_EVENTS, newerEvent, type CoreEvent } from "./core-event.ts";

/** Where the controller runs, as in the chart. */
export const RELEASE_NAMESPACE = "tote";
/** Whom it runs as. */
export const SERVICE_ACCOUNT = `system:serviceaccount:${RELEASE_NAMESPACE}:tote`;

const CHART = fileURLToPath(new URL("../../charts/tote/", import.meta.url));

/** An API server that a controller can work with: the definition is installed, and the chart's rights are given. */
export interface ControlCluster {
  /** everything is allowed */
  readonly api: ApiClient;
  /** a kubeconfig of the controller's service account */
  readonly controllerKubeconfig: string;
  /** Writes an Event as kubelets do, through core/v1. */
  putEvent(event: CoreEvent): Promise<void>;
  /** the server in memory, for faults; a real one has none */
  readonly server: ApiServer;
}

/** Starts an API server, in memory unless TOTE_TEST_API_SERVER says otherwise; a real one takes no options but `others`. */
export async function startCluster(
  cleanup: Cleanup,
  options: {
    /** default false: plain HTTP */
    readonly tls?: boolean;
    /** milliseconds between bookmarks, default 60000 */
    readonly bookmarkIntervalMs?: number;
    /** others with the rights of the controller */
    readonly others?: readonly string[];
  } = {},
): Promise<ControlCluster> {
  const { tls = false, others = [], bookmarkIntervalMs = 60_000 } = options;
  if (clusterConfig().apiServer === "real") {
    const real = await startRealControlCluster(cleanup, [SERVICE_ACCOUNT, ...others]);
    return {
      ...real,
      async putEvent(event) {
        await real.api.create(CORE_EVENTS, event, { signal: new AbortController().signal });
      },
      get server(): ApiServer {
        throw new Error("this test needs the API server in memory: a real one has no faults on demand");
      },
    };
  }
  const crd = parseObject(
    JSON.stringify(parse(await readFile(join(CHART, "crds/salvagerecords.yaml"), "utf8"))),
  );
  const clusterRules = await rules("cluster-role.yaml");
  const rights = { clusterRules, rules: { [RELEASE_NAMESPACE]: await rules("role.yaml") } };
  const server = await createApiServer({
    cleanup,
    tls,
    bookmarkIntervalMs,
    crds: [crd],
    users: [SERVICE_ACCOUNT, ...others].map((name) => ({ name, ...rights })),
  });
  const { api } = await kubeClient({ server, cleanup });
  return {
    api,
    server,
    controllerKubeconfig: server.kubeconfigPath(SERVICE_ACCOUNT),
    putEvent(event) {
      server.put(newerEvent(event));
      return Promise.resolve();
    },
  };
}

async function rules(file: string): Promise<readonly PolicyRule[]> {
  const parsed: unknown = parse(await readFile(join(CHART, "files", file), "utf8"));
  if (!Array.isArray(parsed)) throw new Error(`${file} holds no list of rules`);
  return parsed.map((rule: unknown) => {
    const { verbs, apiGroups, resources, resourceNames } = asObject(rule);
    return {
      verbs: texts(verbs),
      apiGroups: texts(apiGroups),
      resources: texts(resources),
      ...(resourceNames !== undefined && { resourceNames: texts(resourceNames) }),
    };
  });
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
