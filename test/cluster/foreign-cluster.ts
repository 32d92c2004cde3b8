import { resolve } from "node:path";

import { clusterConfig, type ClusterConfig } from "./config.ts";
import { kubeconfigPath } from "./control-plane.ts";
import { clusterLayout } from "./layout.ts";
import { layoutOf, readState } from "./state.ts";

/** KUBECONFIG when it names another cluster than the one of the tests, whose own may be exported for working by hand. */
export function foreignKubeconfig(
  config: Pick<ClusterConfig, "kubeconfig"> = clusterConfig(),
): string | undefined {
  const { kubeconfig } = config;
  if (kubeconfig === undefined) return undefined;
  const state = readState();
  const own = kubeconfigPath(state === undefined ? clusterLayout() : layoutOf(state), "admin");
  return resolve(kubeconfig) === resolve(own) ? undefined : kubeconfig;
}
