import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ApiError } from "../../../controller/kube/api-error.ts";
import { NAMESPACES, NODES, OWNERS, PODS } from "../../../controller/kube/resources.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { CommandError } from "../../harness/run.ts";
import { openApi, type ApiAccess } from "../api-access.ts";
import { makeTestAccount, type TestAccount } from "../test-account.ts";
import { barePod, container, deployment } from "../workloads.ts";

const signal = new AbortController().signal;

describe("what the API server lets tote's controller do", () => {
  let cleanup: Cleanup;
  let access: ApiAccess;
  let account: TestAccount;
  before(async () => {
    cleanup = createCleanup();
    access = await openApi(cleanup);
    account = await makeTestAccount(access, cleanup);
  });
  after(() => cleanup.run());

  async function assertForbidden(what: string, call: () => Promise<unknown>): Promise<void> {
    await assert.rejects(call, (error: unknown) => {
      if (error instanceof CommandError) assert.match(error.stderr, /\bForbidden\b|is forbidden/, what);
      else {
        assert.ok(error instanceof ApiError, `${what}: ${String(error)}`);
        assert.equal(error.status, 403, `${what}: ${error.message}`);
      }
      return true;
    });
  }

  test("the controller's account may look, and touch nothing that is not its own", async () => {
    const { api: own, kubectl } = account;
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
    const post = (path: string, object: object): Promise<unknown> =>
      kubectl(["create", "--raw", `/api/v1/namespaces/${namespace}/${path}`, "-f", "-"], {
        input: JSON.stringify(object),
      });
    // what it may look at as itself
    const look = ["get", "--raw", `/api/v1/namespaces/${namespace}/pods`];
    await kubectl(look);
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
      "evict a pod": () =>
        post("pods/web/eviction", {
          apiVersion: "policy/v1beta1",
          kind: "Eviction",
          metadata: { name: "web" },
        }),
      "run a program in a pod": () => post("pods/web/exec?command=true", {}),
      "make a token of another account": () =>
        post("serviceaccounts/default/token", {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: {},
        }),
      "act as somebody else": () => kubectl([...look, "--as=admin"]),
      "act as a master": () => kubectl([...look, "--as=me", "--as-group=system:masters"]),
    };
    for (const [what, call] of Object.entries(wrongs)) await assertForbidden(what, call);
  });
});
