import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ApiError } from "../../../controller/kube/api-error.ts";
import type { ApiClient } from "../../../controller/kube/api-client.ts";
import { NAMESPACES, NODES, OWNERS, PODS } from "../../../controller/kube/resources.ts";
import { asObject } from "../../../controller/objects/json.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { kubeClient } from "../../harness/kube-client.ts";
import { openApi, type ApiAccess } from "../api-access.ts";
import { installTote, writeAccountKubeconfig } from "../tote.ts";
import { barePod, container, deployment, order } from "../workloads.ts";

const signal = new AbortController().signal;

describe("what the API server lets tote's controller do", () => {
  let cleanup: Cleanup;
  let access: ApiAccess;
  /** as the controller's service account */
  let own: ApiClient;
  before(async () => {
    cleanup = createCleanup();
    access = await openApi(cleanup);
    await installTote(access.kubectl);
    const path = await writeAccountKubeconfig(access.kubectl, join(cleanup.directory(), "tote.kubeconfig"));
    own = (await kubeClient({ server: { kubeconfigPath: () => path }, cleanup })).api;
  });
  after(() => cleanup.run());

  async function assertForbidden(what: string, call: () => Promise<unknown>): Promise<void> {
    await assert.rejects(call, (error: unknown) => {
      assert.ok(error instanceof ApiError, `${what}: ${String(error)}`);
      assert.equal(error.status, 403, `${what}: ${error.message}`);
      return true;
    });
  }

  test("the definition has a structural schema that refuses what is no order", async () => {
    const namespace = await access.namespace("schema");
    for (const spec of [
      {},
      { targetNode: "n1" },
      { targetNode: "n1", digest: "latest" },
      { imageRef: "registry.test:5000/app:v1" },
    ]) {
      await assert.rejects(
        access.kubectl.apply(order(namespace, spec)),
        /is invalid|ValidationError/,
        JSON.stringify(spec),
      );
    }
    assert.deepEqual(asObject(await access.kubectl.get("salvagerecords", "-n", namespace))["items"], []);
  });

  test("the controller's account may look, and touch nothing that is not its own", async () => {
    const namespace = await access.namespace("rights");
    // it need not run
    const containers = [container("registry.test:5000/none:v1")];
    await access.kubectl.apply(
      deployment({ name: "web", namespace, containers, replicas: 0 }),
      barePod({ name: "web", namespace, containers }),
    );
    const key = { namespace, name: "web" };
    for (const kind of [PODS, NODES, NAMESPACES]) {
      let seen = 0;
      for await (const page of own.list(kind, { signal })) seen += page.items.length;
      assert.ok(seen > 0, kind.plural);
    }
    const secrets = { ...PODS, kind: "Secret", plural: "secrets" };
    const deployments = OWNERS.find(({ kind }) => kind === "Deployment");
    assert.ok(deployments);
    assert.equal((await own.get(deployments, { namespace, name: "web" }, { signal })).metadata.name, "web");
    const wrongs: Readonly<Record<string, () => Promise<unknown>>> = {
      "list secrets": () => own.getPath(`/api/v1/namespaces/${namespace}/secrets`, { signal }),
      "list all secrets": () => own.getPath("/api/v1/secrets", { signal }),
      "read a secret": () => own.get(secrets, { namespace, name: "any" }, { signal }),
      "read a config map": () => own.getPath(`/api/v1/namespaces/${namespace}/configmaps`, { signal }),
      "read a pod's log": () => own.getPath(`/api/v1/namespaces/${namespace}/pods/web/log`, { signal }),
      "delete a pod": () => own.delete(PODS, key, { signal }),
      "change a pod's image": () =>
        own.patch(PODS, key, { spec: { containers: [{ name: "app", image: "evil" }] } }, { signal }),
      "annotate a pod": () => own.patch(PODS, key, { metadata: { annotations: { a: "b" } } }, { signal }),
      "create a pod": () => own.create(PODS, { metadata: { name: "new", namespace } }, { signal }),
      "scale a deployment": () =>
        own.patch(deployments, { namespace, name: "web" }, { spec: { replicas: 0 } }, { signal }),
      "delete a namespace": () => own.delete(NAMESPACES, { name: namespace }, { signal }),
      "change a node": () =>
        own.patch(NODES, { name: "n1" }, { metadata: { labels: { a: "b" } } }, { signal }),
      "read roles": () => own.getPath("/apis/rbac.authorization.k8s.io/v1/clusterroles", { signal }),
      "read leases of others": () =>
        own.getPath("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", { signal }),
    };
    for (const [what, call] of Object.entries(wrongs)) await assertForbidden(what, call);
  });
});
