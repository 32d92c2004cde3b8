import assert from "node:assert/strict";
import { test } from "node:test";

import { asText, fieldAt } from "../harness/apiserver/json.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

/** A pod on node b that fails for an image that node a has. */
function failing(rig: SimulatedRig, name: string, namespace = "shop"): void {
  const image = rig.image(name, "a");
  rig.createPod({ name, namespace, node: "b", image: image.name });
}

/** Lets time pass until something has happened; what waits for real answers gets them in between. */
async function timePasses(
  rig: SimulatedRig,
  what: string,
  check: () => boolean,
  stepMs = 10_000,
): Promise<void> {
  await waitFor(
    what,
    () => {
      if (check()) return true;
      rig.clock.skip(stepMs);
      return false;
    },
    { timeoutMs: 20_000, intervalMs: 30 },
  );
}

test("behind a connection that has died in silence the truth is listed, and the failing pod is found", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  await waitFor("readiness", () => rig.controller.readiness().ready);
  const { faults } = rig.server;
  faults.hangWatches();
  faults.add({ user: SERVICE_ACCOUNT, verb: "watch", kind: "silent" });
  const lists = (): number => rig.requests({ verb: "list", resource: "pods" }).length;
  const before = lists();
  failing(rig, "web");
  await timePasses(rig, "a second list of pods", () => lists() > before);
  await rig.waitForRunning("shop", "web");
});

test("while nothing at all comes from the API server it is not ready and says why, and it is when it comes back", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  await waitFor("readiness", () => rig.controller.readiness().ready);
  const { faults } = rig.server;
  faults.hangWatches();
  faults.add({ user: SERVICE_ACCOUNT, verb: ["watch", "list", "get"], kind: "hang" });
  failing(rig, "web");
  await timePasses(rig, "the watches to be stale", () => !rig.controller.readiness().ready);
  assert.match(rig.controller.readiness().reason, /^the watch of \w+ has said nothing for \d+ s: /);
  assert.deepEqual(rig.records("shop"), []);
  faults.clear();
  await rig.waitForRunning("shop", "web");
  await waitFor("readiness", () => rig.controller.readiness().ready, { timeoutMs: 30_000 });
});

test("an API server that restarts in the middle of a salvage, its history lost, is followed again", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const release = rig.fleet.hold();
  failing(rig, "under-way");
  await waitFor("the transfer", () => rig.fleet.running.length === 1);
  const restarted = rig.server.restart({ history: "lost", downMs: 700 });
  failing(rig, "meanwhile");
  await restarted;
  release();
  await rig.waitForRunning("shop", "under-way");
  await rig.waitForRunning("shop", "meanwhile");
  assert.deepEqual(
    rig.records("shop").map(({ status }) => status.phase),
    ["Completed", "Completed"],
  );
  assert.equal(rig.fleet.begun.length, 2, "one transfer each");
});

test("a watch whose version has been compacted begins anew with a list", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  await waitFor("readiness", () => rig.controller.readiness().ready);
  rig.server.faults.hangWatches();
  failing(rig, "web");
  rig.server.compact();
  rig.server.faults.dropWatches();
  await rig.waitForRunning("shop", "web");
});

test("429 with Retry-After is waited for, and the record is written once", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const match = { verb: "create", resource: "salvagerecords" } as const;
  const fault = { kind: "status", status: 429, retryAfterSeconds: 1, times: 1 } as const;
  rig.server.faults.add({ user: SERVICE_ACCOUNT, ...match, ...fault });
  failing(rig, "web");
  await rig.waitForRunning("shop", "web");
  const [refused, accepted, ...more] = rig.requests(match);
  assert.equal(refused?.status, 429);
  assert.equal(accepted?.status, 201);
  assert.deepEqual(more, []);
  assert.ok(accepted.time - refused.time >= 1000, `it came back after ${accepted.time - refused.time} ms`);
});

test("a record that somebody else writes to meanwhile is read again, and nothing of theirs is lost", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const release = rig.fleet.hold();
  failing(rig, "web");
  await waitFor("the transfer", () => rig.fleet.running.length === 1);
  // the controller does not hear of it
  rig.server.faults.hangWatches("salvagerecords");
  rig.server.faults.add({ verb: "watch", resource: "salvagerecords", kind: "silent" });
  const [record] = rig.server.list("salvagerecords", "shop");
  assert.ok(record !== undefined);
  const { metadata } = record;
  rig.server.put({
    ...record,
    metadata: { ...metadata, labels: { ...metadata.labels, "example.com/ticket": "4711" } },
  });
  release();
  await rig.waitForRunning("shop", "web");
  const done = await rig.waitForEnd("shop");
  assert.equal(done.phase, "Completed");
  const [after] = rig.server.list("salvagerecords", "shop");
  assert.equal(after?.metadata.labels?.["example.com/ticket"], "4711");
  const conflicts = rig.requests({ verb: "update", resource: "salvagerecords", status: 409 });
  assert.ok(conflicts.length > 0, "nothing was in the way");
});

test("where it may not write Events it says so and salvages all the same", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  rig.server.faults.add({ user: SERVICE_ACCOUNT, resource: "events", kind: "status", status: 403 });
  failing(rig, "web");
  await rig.waitForRunning("shop", "web");
  await waitFor("a word about it", () =>
    rig.controller.logs.some((line) => line.includes("event left out") && line.includes("403")),
  );
  assert.deepEqual(rig.server.list("events", "shop"), []);
});

test("owners that it may not read count as silent, and pods that ask by themselves are helped", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  rig.server.faults.add({ user: SERVICE_ACCOUNT, resource: "replicasets", kind: "status", status: 403 });
  const owned = (name: string) => ({ apiVersion: "apps/v1", kind: "ReplicaSet", name, uid: `uid-${name}` });
  const common = { namespace: "shop", node: "b", image: rig.image("web", "a").name };
  const silent = { ...common, annotations: {} };
  rig.createPod({ ...silent, name: "silent-1", owner: owned("silent") });
  rig.createPod({ ...silent, name: "silent-2", owner: owned("silent") });
  rig.createPod({ ...common, image: rig.image("loud", "a").name, name: "loud", owner: owned("loud") });
  await rig.waitForRunning("shop", "loud");
  await waitFor("the owner to have been asked for", () => rig.requests({ name: "silent" }).length > 0);
  const said = rig.controller.logs.filter((line) => /replicaset/i.test(line) && line.includes("403"));
  assert.equal(said.length, 1, `said ${said.length} times:\n${said.join("")}`);
  assert.equal(rig.records("shop").length, 1);
  assert.equal(rig.isRunning("shop", "silent-1"), false);
});

test("a resource that it may not read any more is kept as it was, and told by readiness", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  await waitFor("readiness", () => rig.controller.readiness().ready);
  const match = { user: SERVICE_ACCOUNT, verb: ["list", "watch"], resource: "nodes" };
  const allow = rig.server.faults.add({ ...match, kind: "status", status: 403 });
  rig.server.faults.dropWatches("nodes");
  await waitFor("a word about it", () =>
    rig.controller.logs.some((line) => line.includes('"nodes"') && line.includes("403")),
  );
  failing(rig, "web");
  await rig.waitForRunning("shop", "web");
  // the other watches live: they are told of something in between
  await timePasses(rig, "the nodes to be stale", () => {
    const { ready, reason } = rig.controller.readiness();
    return !ready && reason.includes("nodes");
  });
  assert.match(rig.controller.readiness().reason, /watch of nodes has said nothing .*(403|forbidden)/i);
  allow();
  await timePasses(rig, "readiness", () => rig.controller.readiness().ready, 1_000);
});

test("a resource that it may not read at the start holds it up until it may, and it says which", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.createNamespace("shop");
  const match = { user: SERVICE_ACCOUNT, verb: "list", resource: "nodes" };
  const allow = rig.server.faults.add({ ...match, kind: "status", status: 403 });
  await rig.startController();
  failing(rig, "web");
  await waitFor("a word about it", () => /nodes .*(403|forbidden)/i.test(rig.controller.readiness().reason));
  assert.equal(rig.controller.readiness().ready, false);
  assert.deepEqual(rig.records("shop"), []);
  allow();
  await rig.waitForRunning("shop", "web");
  assert.equal(rig.controller.readiness().ready, true);
});

test("a kubelet that it may not wake runs its pod later, and the salvage counts as done", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const match = { user: SERVICE_ACCOUNT, verb: "patch", resource: "pods", subresource: "status" };
  rig.server.faults.add({ ...match, kind: "status", status: 403 });
  failing(rig, "web");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Completed");
  await waitFor("a word about it", () =>
    rig.controller.logs.some((line) => line.includes("pods/status") && line.includes("403")),
  );
  assert.equal(rig.isRunning("shop", "web"), false);
  rig.kubelets.retry();
  await rig.waitForRecord("shop", "has recovered", (record) =>
    (record.status.transitions ?? []).some(({ type }) => type === "recovered"),
  );
  const pod = rig.server.get("pods", "shop/web");
  assert.equal(asText(fieldAt(pod, "status.phase")), "Running");
});
