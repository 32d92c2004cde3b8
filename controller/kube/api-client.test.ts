import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import type { ApiClient } from "./api-client.ts";
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isExpired,
  isForbidden,
  isInvalid,
  isNotFound,
  isTransient,
} from "./api-error.ts";
import type { CallReport } from "./json-caller.ts";
import { EVENTS, LEASES, NAMESPACES, PODS } from "./resources.ts";

const { signal } = new AbortController();
const KEY = { namespace: "shop", name: "web" };

/** A pod with a status. */
function pod(name: string, fields: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop" },
    spec: { containers: [{ name: "c", image: "nginx:1" }] },
    ...fields,
  };
}

describe("the API client", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: ApiClient;
  let reports: CallReport[] = [];
  before(async () => {
    server = await createApiServer({ cleanup });
    server.addUser({ name: "nobody" });
    ({ api } = await kubeClient({ server, cleanup, onCall: (report) => reports.push(report) }));
  });
  beforeEach(() => {
    server.faults.clear();
    for (const { metadata } of server.list("pods")) server.delete("pods", `shop/${metadata.name}`);
    reports = [];
  });
  after(() => cleanup.run());

  test("reads, creates, replaces, patches and deletes objects", async () => {
    server.put(pod("other"));
    const created = await api.create(PODS, pod("web"), { signal });
    assert.equal(created.metadata.name, "web");
    assert.ok(created.metadata.uid);
    const patched = await api.patch(PODS, KEY, { metadata: { annotations: { a: "1" } } }, { signal });
    assert.deepEqual(patched.metadata.annotations, { a: "1" });
    const replaced = await api.replace(
      PODS,
      { ...patched, metadata: { ...patched.metadata, labels: { b: "2" } } },
      { signal },
    );
    assert.deepEqual(replaced.metadata.labels, { b: "2" });
    assert.deepEqual(await api.get(PODS, KEY, { signal }), replaced);
    await api.delete(PODS, KEY, { signal });
    await assert.rejects(api.get(PODS, KEY, { signal }), (error) => isNotFound(error));
    assert.deepEqual(
      reports.map(({ verb, resource, status }) => `${verb} ${resource} ${status}`),
      [
        "create pods 200",
        "patch pods 200",
        "replace pods 200",
        "get pods 200",
        "delete pods 200",
        "get pods 404",
      ],
    );
  });

  test("writes the status alone, or everything but the status", async () => {
    server.put(pod("web", { status: { phase: "Running" } }));
    const both = {
      metadata: { annotations: { a: "1" } },
      spec: { nodeName: "x" },
      status: { phase: "Failed" },
    };
    const status = await api.patch(PODS, KEY, both, { signal, subresource: "status" });
    assert.deepEqual(status.metadata.annotations, { a: "1" });
    assert.deepEqual(server.get("pods", "shop/web")?.["status"], { phase: "Failed" });
    assert.equal(Object.hasOwn(Object(server.get("pods", "shop/web")?.["spec"]), "nodeName"), false);
  });

  test("tells errors apart", async () => {
    const created = await api.create(PODS, pod("web"), { signal });
    await assert.rejects(
      api.create(PODS, pod("web"), { signal }),
      (error) => isAlreadyExists(error) && !isConflict(error),
    );
    await api.patch(PODS, KEY, { metadata: { labels: { a: "b" } } }, { signal });
    await assert.rejects(
      api.replace(PODS, created, { signal }),
      (error) => isConflict(error) && !isAlreadyExists(error),
    );
    const uid = "00000000-0000-0000-0000-000000000000";
    await assert.rejects(api.delete(PODS, KEY, { signal, uid }), (error) => isConflict(error));
    await assert.rejects(
      api.create(PODS, { ...pod("web"), metadata: { name: "X_Y", namespace: "shop" } }, { signal }),
      (error) => isInvalid(error),
    );
    const { api: nobody } = await kubeClient({ server, cleanup, user: "nobody" });
    await assert.rejects(nobody.get(PODS, KEY, { signal }), (error) => {
      assert.ok(isForbidden(error));
      assert.equal(
        error.message,
        'cannot get pods shop/web: 403 Forbidden: pods "web" is forbidden: User "nobody" cannot get resource "pods" in API group "" in the namespace "shop"',
      );
      return true;
    });
  });

  test("lists page by page, all of the same moment", async () => {
    for (let n = 0; n < 7; n += 1) server.put(pod(`p${n}`));
    const names: string[] = [];
    const versions = new Set<string>();
    for await (const page of api.list(PODS, { signal, limit: 3 })) {
      assert.ok(page.items.length <= 3);
      names.push(...page.items.map(({ metadata }) => metadata.name));
      versions.add(page.metadata.resourceVersion);
      server.put(pod("p0-late"));
      server.delete("pods", "shop/p6");
    }
    assert.deepEqual(names, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    assert.equal(versions.size, 1);
  });

  test("says when a list has become too old to be read on", async () => {
    for (let n = 0; n < 4; n += 1) server.put(pod(`p${n}`));
    const pages = api.list(PODS, { signal, limit: 2 });
    await pages.next();
    server.put(pod("late"));
    server.compact();
    await assert.rejects(pages.next(), (error) => isExpired(error));
  });

  test("lists by namespace, fields and labels", async () => {
    server.put(
      pod("a", {
        metadata: { name: "a", namespace: "shop", labels: { app: "x" } },
        spec: { nodeName: "n1" },
      }),
    );
    server.put(pod("b", { spec: { nodeName: "n1" } }));
    server.put({ ...pod("c"), metadata: { name: "c", namespace: "bank" } });
    const names = async (selection: object): Promise<string[]> => {
      const pages = await Array.fromAsync(api.list(PODS, { signal, ...selection }));
      return pages.flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
    };
    assert.deepEqual(await names({ namespace: "bank" }), ["c"]);
    assert.deepEqual(await names({ fieldSelector: "spec.nodeName=n1" }), ["a", "b"]);
    assert.deepEqual(await names({ labelSelector: "app=x" }), ["a"]);
    server.delete("pods", "bank/c");
  });

  test("waits as long as Retry-After says and tries again, for writes too", async () => {
    server.faults.add({ kind: "status", status: 429, retryAfterSeconds: 1, times: 1 });
    const started = performance.now();
    await api.create(PODS, pod("web"), { signal });
    assert.ok(performance.now() - started >= 1000);
    assert.deepEqual(
      reports.map(({ status }) => status),
      [429, 200],
    );
  });

  test("does not wait longer than its own time", async () => {
    server.faults.add({ kind: "status", status: 503, retryAfterSeconds: 60 });
    const started = performance.now();
    await assert.rejects(api.get(PODS, KEY, { signal, timeoutMs: 5000 }), (error) => {
      assert.ok(isTransient(error));
      assert.equal(error.retryAfterMs, 60_000);
      return true;
    });
    assert.ok(performance.now() - started < 2000);
  });

  test("does not repeat what was not asked to be repeated", async () => {
    server.faults.add({ kind: "status", status: 500 });
    await assert.rejects(api.get(PODS, KEY, { signal }), (error) => isTransient(error));
    assert.equal(reports.length, 1);
  });

  test("a call that gets no answer ends with its time, and its connection with it", async () => {
    server.faults.add({ kind: "hang" });
    const started = performance.now();
    await assert.rejects(api.get(PODS, KEY, { signal, timeoutMs: 300 }), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.message, "cannot get pods shop/web: Timeout: no answer within 300 ms");
      return isTransient(error);
    });
    assert.ok(performance.now() - started < 2000);
  });

  test("a call that is not wanted any more ends at once with the caller's reason", async () => {
    server.faults.add({ kind: "hang" });
    const stop = new AbortController();
    const calls = [
      api.get(PODS, KEY, { signal: stop.signal }),
      api.list(PODS, { signal: stop.signal }).next(),
      api.watch(PODS, { signal: stop.signal, resourceVersion: "0", timeoutSeconds: 10 }).next(),
    ];
    setTimeout(() => stop.abort(new Error("shutdown")), 50);
    for (const call of calls) await assert.rejects(call, { message: "shutdown" });
  });

  test("a read whose connection was closed under it is sent once more, a write is not", async () => {
    server.put(pod("web"));
    server.faults.add({ kind: "reset", times: 1 });
    assert.equal((await api.get(PODS, KEY, { signal })).metadata.name, "web");
    server.faults.add({ kind: "reset", times: 1 });
    await assert.rejects(
      api.patch(PODS, KEY, { metadata: { labels: { a: "b" } } }, { signal }),
      /Unreachable/,
    );
  });

  test("a guard stops a call before anything is sent, and before each retry", async () => {
    let allowed = 1;
    const guard = (): void => {
      allowed -= 1;
      if (allowed < 0) throw new Error("not any more");
    };
    server.faults.add({ kind: "status", status: 429, retryAfterSeconds: 0, times: 1 });
    const sent = server.requests.length;
    await assert.rejects(api.create(PODS, pod("web"), { signal, guard }), { message: "not any more" });
    assert.equal(server.requests.length, sent + 1);
    assert.equal(server.get("pods", "shop/web"), undefined);
  });

  test("reads any path, and refuses answers that are not what was asked for", async () => {
    assert.deepEqual(Object.keys(Object(await api.getPath("/version", { signal }))).slice(0, 2), [
      "major",
      "minor",
    ]);
    const wrong = { ...NAMESPACES, is: LEASES.is, kind: "Lease" };
    server.put({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "odd" },
      spec: { leaseTransitions: "many" },
    });
    await assert.rejects(api.get(wrong, { name: "odd" }, { signal }), /BadAnswer: the answer is no Lease/);
  });

  test("events keep to the rules of their kind", async () => {
    const event = {
      metadata: { name: "e", namespace: "shop" },
      eventTime: "2024-05-01T10:00:00.313Z",
      reportingController: "tote",
      reportingInstance: "tote-1",
      action: "Detected",
      reason: "ImageSalvageable",
      regarding: { kind: "Pod", namespace: "shop", name: "web" },
      type: "Warning" as const,
      note: "x",
    };
    await assert.rejects(api.create(EVENTS, event, { signal }), /400 BadRequest: .*parsing time/);
    const eventTime = "2024-05-01T10:00:00.313000Z";
    await api.create(EVENTS, { ...event, eventTime }, { signal });
    const series = { count: 2, lastObservedTime: eventTime };
    await api.patch(EVENTS, { namespace: "shop", name: "e" }, { series }, { signal });
    await assert.rejects(
      api.patch(EVENTS, { namespace: "shop", name: "e" }, { note: "y" }, { signal }),
      /422 Invalid: Event.events.k8s.io "e" is invalid: message: Invalid value: "y": field is immutable/,
    );
  });
});
