import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask } from "./http.fixture.ts";
import { asJson } from "./json.ts";
import { emptyShop, meta, pod, PODS, startShop } from "./pods.fixture.ts";
import type { ApiServer } from "./types.ts";

describe("objects", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await startShop(cleanup);
  });
  beforeEach(() => emptyShop(server));
  after(() => cleanup.run());

  test("a new object gets identity, time and version, and defaults that matter", async () => {
    const { status, body } = await ask(server, "POST", PODS, {
      ...pod("web", {
        containers: [
          { name: "a", image: "x" },
          { name: "b", image: "r:5000/x:1" },
          { name: "c", image: "x:latest" },
        ],
      }),
      status: { phase: "Running" },
    });
    assert.equal(status, 201);
    const { uid, creationTimestamp, resourceVersion } = asJson(body["metadata"]);
    assert.match(String(uid), /^[0-9a-f-]{36}$/);
    assert.equal(creationTimestamp, "2024-05-01T10:00:00Z");
    assert.equal(resourceVersion, String(server.resourceVersion));
    assert.deepEqual(body["status"], { phase: "Pending" }, "the status that came with it is left out");
    const containers = asJson(body["spec"])["containers"];
    assert.ok(Array.isArray(containers));
    assert.deepEqual(
      containers.map((container: unknown) => asJson(container)["imagePullPolicy"]),
      ["Always", "IfNotPresent", "Always"],
    );
  });

  test("a node keeps the status that it registers with", async () => {
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, status: { phase: "x" } };
    assert.deepEqual((await ask(server, "POST", "/api/v1/nodes", node)).body["status"], { phase: "x" });
  });

  test("names are used once", async () => {
    await ask(server, "POST", PODS, pod("web"));
    const { status, body } = await ask(server, "POST", PODS, pod("web"));
    assert.equal(status, 409);
    assert.deepEqual(body, {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'pods "web" already exists',
      reason: "AlreadyExists",
      details: { name: "web", kind: "pods" },
      code: 409,
    });
  });

  test("what makes no sense is refused with the words of the real one", async () => {
    const cases: readonly [string, string, object | undefined, number, RegExp][] = [
      ["GET", `${PODS}/none`, undefined, 404, /^pods "none" not found$/],
      [
        "POST",
        "/api/v1/namespaces/none/pods",
        { ...pod("a"), metadata: { name: "a" } },
        404,
        /^namespaces "none" not found$/,
      ],
      [
        "POST",
        PODS,
        { ...pod("a"), metadata: { name: "a", namespace: "bank" } },
        400,
        /the namespace of the provided object does not match/,
      ],
      [
        "POST",
        PODS,
        { ...pod("a"), metadata: {} },
        422,
        /^Pod "" is invalid: metadata.name: Required value: name or generateName/,
      ],
      ["POST", PODS, { ...pod("a"), metadata: { name: "A_B" } }, 422, /metadata.name: Invalid value: "A_B"/],
      ["POST", PODS, { ...pod("a"), spec: {} }, 422, /spec.containers: Required value/],
      [
        "POST",
        PODS,
        { ...pod("a"), apiVersion: "v2" },
        400,
        /the API version in the data \(v2\) does not match/,
      ],
      ["POST", PODS, { ...pod("a"), kind: "Node" }, 400, /cannot be handled as a Pod/],
      [
        "POST",
        PODS,
        { ...pod("a"), metadata: { name: "a", resourceVersion: "5" } },
        500,
        /resourceVersion should not be set on objects to be created/,
      ],
      ["PUT", `${PODS}/none`, pod("none"), 404, /not found/],
      [
        "PUT",
        `${PODS}/none`,
        pod("other"),
        400,
        /the name of the object \(other\) does not match the name on the URL \(none\)/,
      ],
      ["POST", `${PODS}/none`, pod("none"), 405, /does not allow this method/],
      ["GET", "/api/v1/configmaps", undefined, 404, /could not find the requested resource/],
      ["GET", `${PODS}/none/log`, undefined, 404, /could not find the requested resource/],
      [
        "GET",
        "/apis/tote.dev/v1alpha1/salvagerecords",
        undefined,
        404,
        /could not find the requested resource/,
      ],
    ];
    for (const [method, path, body, status, message] of cases) {
      const answer = await ask(server, method, path, body);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assert.match(String(answer.body["message"]), message, `${method} ${path}`);
    }
  });

  test("an update of an old version is a conflict, one without version overwrites", async () => {
    const created = await ask(server, "POST", PODS, pod("web"));
    const labelled = { ...created.body, metadata: { ...meta(created), labels: { a: "1" } } };
    assert.equal((await ask(server, "PUT", `${PODS}/web`, labelled)).status, 200);
    const again = await ask(server, "PUT", `${PODS}/web`, labelled);
    assert.equal(again.status, 409);
    assert.equal(
      again.body["message"],
      'Operation cannot be fulfilled on pods "web": the object has been modified; please apply your changes to the latest version and try again',
    );
    const blind = await ask(server, "PUT", `${PODS}/web`, pod("web"));
    assert.equal(blind.status, 200);
    assert.equal(meta(blind)["labels"], undefined);
    assert.equal(meta(blind)["uid"], meta(created)["uid"]);
    const other = { ...pod("web"), metadata: { ...pod("web").metadata, uid: "other" } };
    assert.match(
      String((await ask(server, "PUT", `${PODS}/web`, other)).body["message"]),
      /UID in precondition: other/,
    );
  });

  test("a write that changes nothing makes no version", async () => {
    const created = await ask(server, "POST", PODS, pod("web"));
    const version = server.resourceVersion;
    assert.equal((await ask(server, "PUT", `${PODS}/web`, created.body)).status, 200);
    assert.equal((await ask(server, "PATCH", `${PODS}/web`, { metadata: { labels: {} } })).status, 200);
    await ask(server, "PATCH", `${PODS}/web`, { metadata: { labels: {} } });
    assert.equal(server.resourceVersion, version + 1);
  });

  test("a merge patch sets, replaces lists, and removes with null", async () => {
    await ask(server, "POST", PODS, pod("web"));
    await ask(server, "PATCH", `${PODS}/web`, { metadata: { annotations: { a: "1", b: "2" } } });
    const { status, body } = await ask(server, "PATCH", `${PODS}/web`, {
      metadata: { annotations: { a: null, c: "3" } },
    });
    assert.equal(status, 200);
    assert.deepEqual(asJson(body["metadata"])["annotations"], { b: "2", c: "3" });
    const stale = { metadata: { resourceVersion: "1", labels: { a: "b" } } };
    assert.equal((await ask(server, "PATCH", `${PODS}/web`, stale)).status, 409);
    const json = { "content-type": "application/json-patch+json" };
    assert.equal((await ask(server, "PATCH", `${PODS}/web`, {}, json)).status, 415);
    assert.equal((await ask(server, "PATCH", `${PODS}/none`, {})).status, 404);
  });

  test("the status and the rest are written apart, annotations by both", async () => {
    const owners = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "r", uid: "u", controller: true }];
    const created = { ...pod("web"), metadata: { ...pod("web").metadata, ownerReferences: owners } };
    await ask(server, "POST", PODS, created);
    const change = {
      metadata: { annotations: { a: "1" }, labels: { l: "1" }, ownerReferences: null },
      spec: { nodeName: "elsewhere" },
      status: { phase: "Running" },
    };
    const status = await ask(server, "PATCH", `${PODS}/web/status`, change);
    assert.equal(asJson(status.body["status"])["phase"], "Running");
    assert.equal(asJson(status.body["spec"])["nodeName"], undefined);
    assert.deepEqual(meta(status)["annotations"], { a: "1" });
    assert.deepEqual(meta(status)["ownerReferences"], owners, "a kubelet cannot take a pod from its owner");
    const rest = await ask(server, "PATCH", `${PODS}/web`, {
      metadata: { annotations: { b: "2" } },
      status: { phase: "Failed" },
    });
    assert.equal(asJson(rest.body["status"])["phase"], "Running");
    assert.deepEqual(meta(rest)["annotations"], { a: "1", b: "2" });
  });

  test("of a pod's spec only images can change", async () => {
    await ask(server, "POST", PODS, pod("web"));
    const image = await ask(server, "PATCH", `${PODS}/web`, {
      spec: { containers: [{ name: "c", image: "nginx:2", imagePullPolicy: "IfNotPresent" }] },
    });
    assert.equal(image.status, 200, image.text);
    const node = await ask(server, "PATCH", `${PODS}/web`, { spec: { nodeName: "n2" } });
    assert.equal(node.status, 422);
    assert.match(String(node.body["message"]), /pod updates may not change fields other than/);
  });

  test("generations count changes of a spec", async () => {
    const path = "/apis/apps/v1/namespaces/shop/replicasets";
    const set = { apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { name: "r" }, spec: { replicas: 1 } };
    assert.equal(meta(await ask(server, "POST", path, set))["generation"], 1);
    assert.equal(
      meta(await ask(server, "PATCH", `${path}/r`, { metadata: { labels: { a: "b" } } }))["generation"],
      1,
    );
    assert.equal(
      meta(await ask(server, "PATCH", `${path}/r/status`, { status: { replicas: 1 } }))["generation"],
      1,
    );
    assert.equal(meta(await ask(server, "PATCH", `${path}/r`, { spec: { replicas: 2 } }))["generation"], 2);
  });

  test("the back door keeps status and identity as they are given", () => {
    const put = server.put({
      ...pod("web"),
      metadata: { name: "web", namespace: "shop", uid: "u1", creationTimestamp: "2020-01-01T00:00:00Z" },
      status: { phase: "Running" },
    });
    assert.equal(put.metadata.uid, "u1");
    assert.equal(put.metadata.creationTimestamp, "2020-01-01T00:00:00Z");
    assert.deepEqual(put["status"], { phase: "Running" });
    assert.equal(server.put(pod("web")).metadata.uid, "u1");
    assert.throws(
      () => server.put({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "s" } }),
      /no kind ConfigMap in v1/,
    );
    assert.throws(() => server.get("configmaps", "x"), /no resource "configmaps"/);
  });

  test("the version and the health are told, to everybody who is known", async () => {
    assert.match(String((await ask(server, "GET", "/version")).body["gitVersion"]), /^v1\./);
    assert.equal((await ask(server, "GET", "/readyz")).text, "ok");
    assert.equal((await ask(server, "GET", "/nowhere")).status, 404);
  });
});
