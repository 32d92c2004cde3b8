import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask, type Answer } from "./http.fixture.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

const NAME = "system:serviceaccount:tote:tote";

describe("authorisation", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let token: string;
  before(async () => {
    server = await createApiServer({ cleanup });
    token = server.addUser({
      name: NAME,
      clusterRules: [
        { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
        { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
        {
          apiGroups: ["apiextensions.k8s.io"],
          resources: ["customresourcedefinitions"],
          resourceNames: ["salvagerecords.tote.dev"],
          verbs: ["get"],
        },
      ],
      rules: { tote: [{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["*"] }] },
    });
    for (const namespace of ["tote", "shop"]) {
      server.put({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web", namespace },
        spec: { containers: [{ name: "c", image: "x" }] },
      });
    }
  });
  after(() => cleanup.run());

  const as = (method: string, path: string, body?: object): Promise<Answer> =>
    ask({ url: server.url, token }, method, path, body);

  test("what the rules allow is allowed", async () => {
    assert.equal((await as("GET", "/api/v1/pods")).status, 200);
    assert.equal((await as("GET", "/api/v1/namespaces/shop/pods/web")).status, 200);
    assert.equal((await as("PATCH", "/api/v1/namespaces/shop/pods/web/status", {})).status, 200);
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "l" } };
    assert.equal(
      (await as("POST", "/apis/coordination.k8s.io/v1/namespaces/tote/leases", lease)).status,
      201,
    );
    const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert.equal((await as("GET", `${crds}/salvagerecords.tote.dev`)).status, 404);
    assert.equal((await as("GET", "/version")).status, 200);
  });

  test("what they do not allow is forbidden, in the words of the real one", async () => {
    const cases: readonly [string, string, string][] = [
      [
        "PATCH",
        "/api/v1/namespaces/shop/pods/web",
        `pods "web" is forbidden: User "${NAME}" cannot patch resource "pods" in API group "" in the namespace "shop"`,
      ],
      [
        "PUT",
        "/api/v1/namespaces/shop/pods/web/status",
        `pods "web" is forbidden: User "${NAME}" cannot update resource "pods/status" in API group "" in the namespace "shop"`,
      ],
      [
        "GET",
        "/api/v1/namespaces",
        `namespaces is forbidden: User "${NAME}" cannot list resource "namespaces" in API group "" at the cluster scope`,
      ],
      [
        "GET",
        "/api/v1/nodes/a/status",
        `nodes "a" is forbidden: User "${NAME}" cannot get resource "nodes/status" in API group "" at the cluster scope`,
      ],
      [
        "GET",
        "/apis/coordination.k8s.io/v1/namespaces/shop/leases/l",
        `leases.coordination.k8s.io "l" is forbidden: User "${NAME}" cannot get resource "leases" in API group "coordination.k8s.io" in the namespace "shop"`,
      ],
      [
        "GET",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        `customresourcedefinitions.apiextensions.k8s.io is forbidden: User "${NAME}" cannot list resource "customresourcedefinitions" in API group "apiextensions.k8s.io" at the cluster scope`,
      ],
    ];
    for (const [method, path, message] of cases) {
      const { status, body } = await as(method, path, method === "GET" ? undefined : {});
      assert.equal(status, 403, path);
      assert.equal(body["message"], message);
      assert.equal(body["reason"], "Forbidden");
    }
    assert.equal((await as("GET", "/metrics")).status, 403);
  });

  test("whether something exists is not told to who may not look", async () => {
    assert.equal((await as("DELETE", "/api/v1/namespaces/shop/pods/none")).status, 403);
  });

  test("a list of one name is allowed to who may look at that name", async () => {
    const one = server.addUser({
      name: "one",
      clusterRules: [{ apiGroups: [""], resources: ["nodes"], resourceNames: ["a"], verbs: ["list"] }],
    });
    const list = (query: string): Promise<Answer> =>
      ask({ url: server.url, token: one }, "GET", `/api/v1/nodes${query}`);
    assert.equal((await list("?fieldSelector=metadata.name%3Da")).status, 200);
    assert.equal((await list("")).status, 403);
  });

  test("an unknown token is nobody, no token is anonymous", async () => {
    const unknown = await ask({ url: server.url, token: "none" }, "GET", "/api/v1/pods");
    assert.equal(unknown.status, 401);
    assert.equal(unknown.body["message"], "Unauthorized");
    const response = await fetch(`${server.url}/api/v1/pods`);
    assert.equal(response.status, 403);
    assert.match(await response.text(), /system:anonymous/);
  });

  test("requests are remembered with who asked for what, and how it ended", async () => {
    await as("PATCH", "/api/v1/namespaces/shop/pods/web/status", { metadata: { annotations: { a: "b" } } });
    const last = server.requests.at(-1);
    assert.ok(last);
    const { user, verb, resource, namespace, name, subresource, status, body } = last;
    assert.deepEqual(
      { user, verb, resource, namespace, name, subresource, body },
      {
        user: NAME,
        verb: "patch",
        resource: "pods",
        namespace: "shop",
        name: "web",
        subresource: "status",
        body: { metadata: { annotations: { a: "b" } } },
      },
    );
    assert.ok(status === 200 || status === 0);
  });
});
