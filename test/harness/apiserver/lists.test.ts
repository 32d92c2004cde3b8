import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask, type Answer } from "./http.fixture.ts";
import { asJson, asList } from "./json.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

function names({ body }: Answer): string[] {
  return asList(body["items"]).map((item) => String(asJson(asJson(item)["metadata"])["name"]));
}

function meta({ body }: Answer) {
  return asJson(body["metadata"]);
}

describe("lists", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await createApiServer({ cleanup });
    for (const [name, namespace, node, app] of [
      ["b", "shop", "n1", "x"],
      ["a", "shop", "n2", "y"],
      ["c", "shop", "n1", ""],
      ["a", "bank", "n1", "x"],
    ] as const) {
      server.put({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, ...(app !== "" && { labels: { app, "tote.dev/x": "1" } }) },
        spec: { nodeName: node },
        status: { phase: name === "a" ? "Running" : "Pending" },
      });
    }
  });
  after(() => cleanup.run());

  const list = (query: string, path = "/api/v1/pods"): Promise<Answer> =>
    ask(server, "GET", `${path}?${query}`);

  test("objects come in the order of their keys, without kind, and with the version of the moment", async () => {
    const answer = await list("");
    assert.equal(answer.body["kind"], "PodList");
    assert.deepEqual(names(answer), ["a", "a", "b", "c"]);
    assert.equal(meta(answer)["resourceVersion"], String(server.resourceVersion));
    assert.deepEqual(
      Object.keys(asJson(asList(answer.body["items"])[0])).filter((name) => /^(kind|apiVersion)$/.test(name)),
      [],
    );
    assert.deepEqual(names(await list("", "/api/v1/namespaces/bank/pods")), ["a"]);
    assert.deepEqual(names(await list("", "/api/v1/namespaces/none/pods")), []);
  });

  test("fields and labels select", async () => {
    const cases: readonly [string, string[]][] = [
      ["fieldSelector=spec.nodeName=n1", ["a", "b", "c"]],
      ["fieldSelector=spec.nodeName!=n1", ["a"]],
      ["fieldSelector=spec.nodeName==n1,status.phase=Pending", ["b", "c"]],
      ["fieldSelector=metadata.name=c,metadata.namespace=shop", ["c"]],
      ["labelSelector=app=x", ["a", "b"]],
      ["labelSelector=app!=x", ["a", "c"]],
      ["labelSelector=app", ["a", "a", "b"]],
      ["labelSelector=!app", ["c"]],
      ["labelSelector=app in (x,y),tote.dev/x=1", ["a", "a", "b"]],
      ["labelSelector=app notin (x)", ["a", "c"]],
      ["labelSelector=app=x&fieldSelector=status.phase=Running", ["a"]],
    ];
    for (const [query, wanted] of cases) assert.deepEqual(names(await list(query)), wanted, query);
  });

  test("fields that cannot be selected by are refused", async () => {
    const { status, body } = await list("fieldSelector=spec.hostname=x");
    assert.equal(status, 400);
    assert.match(String(body["message"]), /field label not supported: spec.hostname/);
    assert.equal((await list("fieldSelector=spec.nodeName")).status, 400);
    assert.equal((await list("labelSelector=a=b=c")).status, 400);
    assert.equal((await list("continue=nonsense")).status, 400);
    assert.equal((await list("resourceVersion=abc")).status, 400);
  });

  test("a version from the future has not come yet", async () => {
    const answer = await list(`resourceVersion=${server.resourceVersion + 1000}`);
    assert.equal(answer.status, 504);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.match(String(answer.body["message"]), /Too large resource version/);
    assert.equal((await list("resourceVersion=0")).status, 200);
  });

  test("pages show the moment of the first one, whatever happens in between", async () => {
    const first = await list("limit=2");
    assert.deepEqual(names(first), ["a", "a"]);
    assert.equal(meta(first)["remainingItemCount"], 2);
    server.put({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "b", namespace: "shop", labels: { late: "1" } },
      spec: { nodeName: "n1" },
    });
    server.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "bb", namespace: "shop" } });
    server.delete("pods", "shop/c");
    const token = encodeURIComponent(String(meta(first)["continue"]));
    const second = await list(`limit=2&continue=${token}`);
    assert.deepEqual(names(second), ["b", "c"]);
    assert.equal(meta(second)["continue"], undefined);
    assert.equal(meta(second)["resourceVersion"], meta(first)["resourceVersion"]);
    assert.equal(asJson(asJson(asList(second.body["items"])[0])["metadata"])["labels"] === undefined, false);
    assert.deepEqual(names(await list("")), ["a", "a", "b", "bb"]);
    server.delete("pods", "shop/bb");
  });

  test("pages are full of what is selected", async () => {
    const first = await list("limit=1&labelSelector=app=x", "/api/v1/pods");
    assert.deepEqual(names(first), ["a"]);
    assert.equal(meta(first)["remainingItemCount"], undefined);
  });

  test("a page that was asked for too late is gone", async () => {
    const first = await list("limit=1");
    server.compact();
    const second = await list(`limit=1&continue=${encodeURIComponent(String(meta(first)["continue"]))}`);
    assert.equal(second.status, 410);
    assert.equal(second.body["reason"], "Expired");
  });
});

describe("seeded objects", () => {
  test("a hundred thousand pods and five thousand nodes take little memory and are listed, read and changed", async (t) => {
    const cleanup = createCleanup(t);
    const server = await createApiServer({ cleanup });
    const rss = process.memoryUsage().rss;
    server.seed({
      apiVersion: "v1",
      kind: "Pod",
      count: 100_000,
      key: (at) => ({ namespace: `ns-${at % 100}`, name: `p-${at}` }),
      make: (at) => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `p-${at}`, namespace: `ns-${at % 100}`, labels: { app: `app-${at % 1000}` } },
        spec: {
          nodeName: `n-${at % 5000}`,
          containers: [{ name: "c", image: `registry.test/app-${at % 1000}:v1` }],
        },
        status: { phase: "Running" },
      }),
    });
    server.seed({
      apiVersion: "v1",
      kind: "Node",
      count: 5000,
      key: (at) => ({ name: `n-${at}` }),
      make: (at) => ({
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: `n-${at}` },
        status: { images: [] },
      }),
    });
    const grown = (process.memoryUsage().rss - rss) / 2 ** 20;
    assert.ok(grown < 150, `${grown} MiB`);
    const first = await ask(server, "GET", "/api/v1/pods?limit=500");
    assert.equal(names(first).length, 500);
    assert.equal(meta(first)["remainingItemCount"], 99_500);
    const path = "/api/v1/namespaces/ns-7/pods/p-7";
    const one = await ask(server, "GET", path);
    assert.ok(meta(one)["uid"] && meta(one)["resourceVersion"]);
    const stale = { metadata: { resourceVersion: "1" } };
    assert.equal((await ask(server, "PATCH", path, stale)).status, 409);
    assert.equal((await ask(server, "PATCH", `${path}/status`, { status: { phase: "Failed" } })).status, 200);
    assert.deepEqual((await ask(server, "GET", path)).body["status"], { phase: "Failed" });
    assert.equal(names(await ask(server, "GET", "/api/v1/nodes")).length, 5000);
  });
});
