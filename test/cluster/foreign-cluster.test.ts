import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { kubeconfigPath } from "./control-plane.ts";
import { foreignKubeconfig } from "./foreign-cluster.ts";
import { layoutOf, readState } from "./state.ts";
import { clusterLayout } from "./layout.ts";

test("KUBECONFIG of another cluster is one, that of our own is none, however it is written", () => {
  const state = readState();
  const own = kubeconfigPath(state === undefined ? clusterLayout() : layoutOf(state), "admin");
  assert.equal(foreignKubeconfig({ kubeconfig: undefined }), undefined);
  assert.equal(foreignKubeconfig({ kubeconfig: own }), undefined);
  assert.equal(foreignKubeconfig({ kubeconfig: join(own, "..", ".", "admin.kubeconfig") }), undefined);
  assert.equal(foreignKubeconfig({ kubeconfig: "/home/me/.kube/config" }), "/home/me/.kube/config");
});
