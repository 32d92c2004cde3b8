import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask } from "./http.fixture.ts";
import { emptyShop, meta, pod, PODS, startShop } from "./pods.fixture.ts";
import type { ApiServer } from "./types.ts";

describe("deletions", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await startShop(cleanup);
  });
  beforeEach(() => emptyShop(server));
  after(() => cleanup.run());

  test("an object with finalizers is marked, can take no new ones, and goes with the last", async () => {
    const path = "/apis/batch/v1/namespaces/shop/jobs";
    const job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "j", finalizers: ["a.test/x", "a.test/y"] },
    };
    await ask(server, "POST", path, job);
    const deleted = await ask(server, "DELETE", `${path}/j`);
    assert.equal(deleted.status, 200);
    assert.equal(meta(deleted)["deletionTimestamp"], "2024-05-01T10:00:00Z");
    const more = await ask(server, "PATCH", `${path}/j`, {
      metadata: { finalizers: ["a.test/x", "a.test/z"] },
    });
    assert.equal(more.status, 422);
    assert.match(String(more.body["message"]), /no new finalizers can be added/);
    await ask(server, "PATCH", `${path}/j`, {
      metadata: { finalizers: ["a.test/y"], deletionTimestamp: null },
    });
    assert.ok(server.get("jobs", "shop/j")?.metadata.deletionTimestamp);
    assert.equal((await ask(server, "PATCH", `${path}/j`, { metadata: { finalizers: null } })).status, 200);
    assert.equal(server.get("jobs", "shop/j"), undefined);
  });

  test("a pod on a node waits for its kubelet, others go at once", async () => {
    await ask(server, "POST", PODS, pod("waiting"));
    const gone = await ask(server, "DELETE", `${PODS}/waiting`);
    assert.equal(gone.body["status"], "Success");
    await ask(server, "POST", PODS, pod("bound", { nodeName: "n1" }));
    const marked = await ask(server, "DELETE", `${PODS}/bound`);
    assert.equal(meta(marked)["deletionTimestamp"], "2024-05-01T10:00:30Z");
    assert.equal(meta(marked)["deletionGracePeriodSeconds"], 30);
    const version = server.resourceVersion;
    await ask(server, "DELETE", `${PODS}/bound`);
    assert.equal(server.resourceVersion, version);
    await ask(server, "DELETE", `${PODS}/bound`, { gracePeriodSeconds: 0 });
    assert.equal(server.get("pods", "shop/bound"), undefined);
    assert.equal((await ask(server, "DELETE", `${PODS}/bound`)).status, 404);
  });

  test("only the object that was meant is deleted", async () => {
    const created = await ask(server, "POST", PODS, pod("web"));
    const wrong = await ask(server, "DELETE", `${PODS}/web`, { preconditions: { uid: "other" } });
    assert.equal(wrong.status, 409);
    const old = await ask(server, "DELETE", `${PODS}/web`, { preconditions: { resourceVersion: "1" } });
    assert.equal(old.status, 409);
    const { uid, resourceVersion } = meta(created);
    assert.equal(
      (await ask(server, "DELETE", `${PODS}/web`, { preconditions: { uid, resourceVersion } })).status,
      200,
    );
  });

  test("a namespace takes what is in it along", async () => {
    server.put({ ...pod("x"), metadata: { name: "x", namespace: "gone" } });
    assert.equal((await ask(server, "DELETE", "/api/v1/namespaces/gone")).status, 200);
    assert.equal(server.get("pods", "gone/x"), undefined);
    assert.equal(
      (await ask(server, "POST", "/api/v1/namespaces/gone/pods", { ...pod("y"), metadata: { name: "y" } }))
        .status,
      404,
    );
  });
});
