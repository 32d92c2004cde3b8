/** What an installation may leave behind. */

import { NAMESPACE } from "../chart/helm.ts";
import type { Kubectl } from "./kubectl.ts";

/** Kinds that the chart makes, and those that its services make. */
const CLUSTER_KINDS =
  "clusterroles,clusterrolebindings,priorityclasses,validatingwebhookconfigurations,customresourcedefinitions";
const LOCAL_KINDS =
  "deployments,daemonsets,statefulsets,jobs,cronjobs,pods,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,configmaps,secrets,leases,persistentvolumeclaims";

/** What Kubernetes puts into every namespace. */
const OF_EVERY_NAMESPACE =
  /^(?:serviceaccount\/default|secret\/default-token-[a-z0-9]+|configmap\/kube-root-ca\.crt)$/;

/** "kind/name" of what is there of the whole cluster. */
export function clusterObjects(kubectl: Kubectl): Promise<readonly string[]> {
  return names(kubectl, CLUSTER_KINDS);
}

/** "kind/name" of what is there in the release's namespace. */
export async function localObjects(kubectl: Kubectl): Promise<readonly string[]> {
  const all = await names(kubectl, LOCAL_KINDS, `--namespace=${NAMESPACE}`);
  return all.filter((name) => !OF_EVERY_NAMESPACE.test(name));
}

async function names(
  kubectl: Kubectl,
  kinds: string,
  ...args: readonly string[]
): Promise<readonly string[]> {
  const { stdout } = await kubectl(["get", kinds, "--output=name", ...args]);
  return stdout.split("\n").filter((name) => name !== "");
}
