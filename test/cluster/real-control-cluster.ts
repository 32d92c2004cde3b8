import type { ApiClient } from "../../controller/kube/api-client.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import { startRealApiServer } from "./real-api-server.ts";
import { installDefinition, rightsManifests } from "./tote-rights.ts";

/** A real API server for the tests of the controller. */
export interface RealControlCluster {
  /** everything is allowed */
  readonly api: ApiClient;
  /** a kubeconfig of the first of the users */
  readonly controllerKubeconfig: string;
}

/** Starts a kube-apiserver with tote's definition, and users who have the rights of the chart. */
export async function startRealControlCluster(
  cleanup: Cleanup,
  users: readonly [string, ...string[]],
): Promise<RealControlCluster> {
  const server = await startRealApiServer({ cleanup, users: users.map((name) => ({ name, groups: [] })) });
  await installDefinition(server.kubectl);
  await server.kubectl.apply(
    ...(await rightsManifests(users.map((name) => ({ kind: "User" as const, name })))),
  );
  const { api } = await kubeClient({ server, cleanup });
  return { api, controllerKubeconfig: server.kubeconfigPath(users[0]) };
}
