import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { NOT_RECOVERED_AT_MS } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { PodOptions } from "../testing/pods.ts";
import { CHANGES } from "../testing/records.ts";
import { salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { AgeWatch } from "../salvage/age-watch.ts";
import { Recovery } from "./recovery.ts";

const { detected, planned, started, salvaged } = CHANGES;
const BACK_OFF = { reason: "ImagePullBackOff", message: "Back-off pulling image" };
const FAILING: PodOptions = { name: "web-1", containers: [{ waiting: BACK_OFF }] };
const RUNNING: PodOptions = { name: "web-1", containers: [{ isRunning: true }] };

interface Case extends SalvageRig {
  /** Sets the time of day. */
  readonly turn: (milliseconds: number) => void;
  readonly step: (record: SalvageRecord) => ReturnType<Recovery["step"]>;
  /** names of pods that were nudged */
  readonly nudged: () => readonly string[];
  readonly transitions: (record: SalvageRecord) => readonly string[];
}

async function setUp(t: TestContext): Promise<Case> {
  const rig = await salvageRig(t);
  const { api, pods, failures, optIn, keeper, clock, server, book, signal } = rig;
  let turned = 0;
  const now = (): number => clock.now() + turned;
  const ages = new AgeWatch({ now, monotonic: () => clock.monotonic() });
  const recovery = new Recovery({ api, pods, failures, optIn, keeper, now, ages });
  return {
    ...rig,
    turn: (milliseconds) => void (turned += milliseconds),
    step: async (record) => await recovery.step(record, signal),
    nudged: () =>
      server.requests
        .filter(({ verb, resource }) => verb === "patch" && resource === "pods")
        .map(({ name, subresource }) => `${name}/${subresource}`),
    transitions: ({ metadata }) =>
      (book.get(`shop/${metadata.name}`)?.status.transitions ?? []).map(({ type }) => type),
  };
}

test("a pod that waits is nudged at once and then by the schedule, through its status", async (t) => {
  const { show, record, step, nudged, clock, server } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, started, salvaged);
  assert.deepEqual(await step(done), { kind: "again", afterMs: 9_000 });
  assert.deepEqual(nudged(), ["web-1/status"]);
  assert.equal(
    server.get("pods", "shop/web-1")?.metadata.annotations?.[ANNOTATIONS.salvagedAt],
    new Date(clock.now()).toISOString(),
  );
  assert.deepEqual(await step(done), { kind: "again", afterMs: 9_000 });
  assert.equal(nudged().length, 1, "nudged again before it was time");
  await clock.advance(9_000);
  await step(done);
  assert.equal(nudged().length, 2);
});

test("a nudge of the leader before counts, whoever wrote it", async (t) => {
  const { show, record, step, nudged, clock } = await setUp(t);
  const done = await record(detected, planned, started, salvaged);
  const annotations = {
    [ANNOTATIONS.autoSalvage]: "true",
    [ANNOTATIONS.salvagedAt]: new Date(clock.now()).toISOString(),
  };
  show({ ...FAILING, annotations });
  await step(done);
  assert.deepEqual(nudged(), []);
});

test("it has recovered once a pod of the record runs and none waits, and says so once", async (t) => {
  const { show, record, step, transitions, counted, told } = await setUp(t);
  show(RUNNING);
  const done = await record(detected, planned, started, salvaged);
  assert.deepEqual(await step(done), { kind: "done" });
  assert.equal(transitions(done).at(-1), "recovered");
  assert.deepEqual(await step(done), { kind: "done" });
  assert.deepEqual(counted, ["recovered"]);
  assert.deepEqual(told, [`shop/${done.metadata.name}`]);
});

test("a pod of the same name with another uid has not recovered for the record's", async (t) => {
  const { show, record, step, transitions } = await setUp(t);
  show({ ...RUNNING, uid: "uid-of-another" });
  const done = await record(detected, planned, started, salvaged);
  assert.deepEqual(await step(done), { kind: "done" });
  assert.ok(!transitions(done).includes("recovered"));
});

test("one that still waits after two minutes has not recovered, in the kubelet's words", async (t) => {
  const { show, record, step, transitions, clock, book, nudged } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, started, salvaged);
  await clock.advance(NOT_RECOVERED_AT_MS);
  assert.deepEqual(await step(done), { kind: "done" });
  assert.equal(transitions(done).at(-1), "not_recovered");
  const last = book.get(`shop/${done.metadata.name}`)?.status.transitions?.at(-1);
  assert.equal(last?.message, BACK_OFF.message);
  assert.deepEqual(nudged(), [], "nudged after it was given up");
});

test("one that starts after it was given up has recovered all the same", async (t) => {
  const { show, record, step, transitions, clock, book } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, started, salvaged);
  await clock.advance(NOT_RECOVERED_AT_MS);
  await step(done);
  show(RUNNING);
  await step(book.get(`shop/${done.metadata.name}`) ?? done);
  assert.deepEqual(transitions(done).slice(-2), ["not_recovered", "recovered"]);
});

test("a pod that has not asked for tote is neither nudged nor waited for", async (t) => {
  const { show, record, step, transitions, nudged } = await setUp(t);
  show(RUNNING);
  show({ ...FAILING, name: "web-2", annotations: { [ANNOTATIONS.autoSalvage]: "false" } });
  const done = await record(detected, planned, started, salvaged);
  assert.deepEqual(await step(done), { kind: "done" });
  assert.deepEqual(nudged(), []);
  assert.equal(transitions(done).at(-1), "recovered");
});

test("a pod that has gone since the watch told is no error", async (t) => {
  const { show, record, step, server } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, started, salvaged);
  server.delete("pods", "shop/web-1");
  assert.equal((await step(done)).kind, "again");
});

test("an error of the API server is for the queue to retry, and the nudge is still owed", async (t) => {
  const { show, record, step, server, nudged } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, started, salvaged);
  server.faults.add({ kind: "status", status: 403, verb: "patch", resource: "pods" });
  await assert.rejects(step(done), /cannot patch pods\/status shop\/web-1: 403/);
  server.faults.clear();
  await step(done);
  assert.equal(nudged().length, 2);
});

test("records without an image of tote's, and those of long ago, are left alone", async (t) => {
  const { show, record, step, nudged, clock } = await setUp(t);
  show(FAILING);
  const alone = await record(detected, { type: "settled", reason: "RecoveredAlone", message: "it runs" });
  assert.deepEqual(await step(alone), { kind: "done" });
  const old = await record(detected, planned, started, salvaged);
  await clock.advance(60 * 60_000 + 1);
  assert.deepEqual(await step(old), { kind: "done" });
  assert.deepEqual(nudged(), []);
});

test("all pods that wait for one image are nudged in one step, however many", async (t) => {
  const { show, record, step, nudged } = await setUp(t);
  const names = Array.from({ length: 25 }, (_, at) => `web-${at}`);
  for (const name of names) show({ ...FAILING, name, uid: `uid-${name}` });
  await step(await record(detected, planned, started, salvaged));
  assert.deepEqual(nudged().toSorted(), names.map((name) => `${name}/status`).toSorted());
});

for (const hours of [2, -2]) {
  test(`a clock that is set by ${hours} h after the image has come changes nothing`, async (t) => {
    const { show, record, step, nudged, transitions, clock, turn, book } = await setUp(t);
    show(FAILING);
    const done = await record(detected, planned, started, salvaged);
    await step(done);
    turn(hours * 60 * 60_000);
    await clock.advance(9_000);
    assert.deepEqual(await step(done), { kind: "again", afterMs: 20_000 });
    await clock.advance(20_000);
    await step(done);
    assert.equal(nudged().length, 3);
    await clock.advance(NOT_RECOVERED_AT_MS);
    await step(done);
    assert.equal(transitions(done).at(-1), "not_recovered");
    show(RUNNING);
    await step(done);
    const last = book.get(`shop/${done.metadata.name}`)?.status.transitions?.at(-1);
    assert.deepEqual([last?.type, last?.durationMs], ["recovered", 30_000 + NOT_RECOVERED_AT_MS]);
  });
}
