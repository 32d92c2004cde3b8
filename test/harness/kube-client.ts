import { ApiClient, type ApiClientOptions } from "../../controller/kube/api-client.ts";
import { loadKubeConnection, type KubeConnection } from "../../controller/kube/kube-config.ts";
import { systemClock } from "../../lib/clock.ts";
import type { ApiServer } from "./apiserver/types.ts";
import type { Cleanup } from "./cleanup.ts";

/** A client of an API server, and its connection. */
export interface KubeClient {
  readonly api: ApiClient;
  readonly connection: KubeConnection;
}

/**
 * A client of the API server of a test, through a kubeconfig as people have it. It ends with the cleanup.
 * @param options.user default the admin; `clock` default the machine's; `random` default always the middle
 */
export async function kubeClient(
  options: {
    readonly server: Pick<ApiServer, "kubeconfigPath">;
    readonly cleanup: Cleanup;
    readonly user?: string;
  } & Partial<Pick<ApiClientOptions, "clock" | "random" | "onCall">>,
): Promise<KubeClient> {
  const { server, cleanup, user, clock = systemClock, random = () => 0.5, onCall } = options;
  const connection = await loadKubeConnection({ kind: "file", path: server.kubeconfigPath(user) }, clock);
  cleanup.add({ name: "close the connection to the API server", undo: () => connection.close() });
  const settings = { connection, clock, random, userAgent: "tote-test/1" };
  return { api: new ApiClient({ ...settings, ...(onCall && { onCall }) }), connection };
}
