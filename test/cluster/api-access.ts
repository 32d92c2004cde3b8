import { randomBytes } from "node:crypto";

import type { Cleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import { openCluster } from "./cluster.ts";
import { foreignKubeconfig } from "./foreign-cluster.ts";
import { kubectl as createKubectl, type Kubectl } from "./kubectl.ts";
import { findKubectl } from "./kubernetes-binaries.ts";

/** A cluster's API, for what needs no access to its nodes. */
export interface ApiAccess {
  /** of somebody who may do everything */
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
  /** Makes a namespace of a name that no other has; it is deleted at the end. */
  namespace(title: string, annotations?: Readonly<Record<string, string>>): Promise<string>;
}

/** The cluster that KUBECONFIG names, else the one of the tests. */
export async function openApi(cleanup: Cleanup): Promise<ApiAccess> {
  const kubeconfig = foreignKubeconfig();
  if (kubeconfig === undefined) {
    const cluster = await openCluster();
    return apiAccess(cleanup, cluster.kubeconfig, cluster.kubectl);
  }
  const cacheDir = `${cleanup.directory()}/kubectl-cache`;
  return apiAccess(cleanup, kubeconfig, createKubectl({ program: findKubectl(), kubeconfig, cacheDir }));
}

/**
 * Access with a kubectl that is there already.
 * @param beforeDelete called with each namespace when it is about to be deleted
 */
export function apiAccess(
  cleanup: Cleanup,
  kubeconfig: string,
  kubectl: Kubectl,
  beforeDelete: (namespace: string) => Promise<void> = () => Promise.resolve(),
): ApiAccess {
  const run = randomBytes(2).toString("hex");
  return {
    kubeconfig,
    kubectl,
    async namespace(title, annotations = { "tote.dev/allow": "true" }) {
      const name = `${title}-${run}`;
      await kubectl.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name, annotations } });
      cleanup.add({
        name: `delete namespace ${name}`,
        undo: async () => {
          await beforeDelete(name);
          await kubectl(["delete", "namespace", name, "--wait=false", "--ignore-not-found"]);
        },
      });
      // pods are refused until it is there
      await waitFor(
        `the service account of ${name}`,
        async () => {
          await kubectl.get("serviceaccount", "default", "--namespace", name);
          return true;
        },
        { timeoutMs: 120_000, intervalMs: 200 },
      );
      return name;
    },
  };
}
