import { join } from "node:path";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import type { ApiAccess } from "./api-access.ts";
import { kubectl as createKubectl, type Kubectl } from "./kubectl.ts";
import { findKubectl } from "./kubernetes-binaries.ts";
import { writeAccountKubeconfig } from "./tote.ts";
import { installDefinition, rightsManifests } from "./tote-rights.ts";

/** A service account with the controller's rights, under names that nobody else has: the cluster may be in use. */
export interface TestAccount {
  /** as this account */
  readonly api: ApiClient;
  /** as this account */
  readonly kubectl: Kubectl;
}

/** Installs the definition, which stays, and makes an account, which goes with the cleanup and so do its rights. */
export async function makeTestAccount(access: ApiAccess, cleanup: Cleanup): Promise<TestAccount> {
  const { kubectl } = access;
  await installDefinition(kubectl);
  const namespace = await access.namespace("tote-account", {});
  const account = { namespace, name: "tote" };
  // roles for the whole cluster are in no namespace that could take them along
  const manifests = await rightsManifests([{ kind: "ServiceAccount", ...account }], {
    name: namespace,
    namespace,
  });
  cleanup.add({
    name: `delete the rights of ${namespace}`,
    undo: async () => {
      const roles = ["clusterrolebinding", "clusterrole"].map((kind) => `${kind}/${namespace}`);
      await kubectl(["delete", ...roles, "--ignore-not-found"]);
    },
  });
  await kubectl.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: account }, ...manifests);
  const path = join(cleanup.directory(), "account.kubeconfig");
  await writeAccountKubeconfig(kubectl, path, account);
  const { api } = await kubeClient({ server: { kubeconfigPath: () => path }, cleanup });
  return { api, kubectl: createKubectl({ program: findKubectl(), kubeconfig: path }) };
}
