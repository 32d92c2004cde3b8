import assert from "node:assert/strict";
import { test } from "node:test";

import type { SalvageRecordStatus } from "../objects/salvage-record.ts";
import { createRecordValidator } from "../testing/crd.ts";
import { CHANGES, ORIGIN, PLAN, record, statusAfter, T0 } from "../testing/records.ts";
import { applyChange } from "./apply-change.ts";
import type { RecordChange } from "./record-change.ts";

const { detected, planned, started, progress, salvaged, failed, refused, recovered, notRecovered } = CHANGES;
const PENDING = [detected, planned];
const RUNNING = [...PENDING, started];
const DONE = [...RUNNING, progress, salvaged];
const validate = createRecordValidator();

function types(status: SalvageRecordStatus): readonly string[] {
  return (status.transitions ?? []).map(({ type }) => type);
}

function conditions(status: SalvageRecordStatus): readonly string[] {
  return (status.conditions ?? []).map(({ type, status: value }) => `${type}=${value}`);
}

const STORIES: readonly (readonly [string, readonly RecordChange[], string, string, readonly string[]])[] = [
  ["seen", [detected], "Pending", "Detected", ["detected"]],
  ["seen to be corrupt", [{ ...detected, isCorrupt: true }], "Pending", "Detected", ["detected", "corrupt"]],
  ["planned", PENDING, "Pending", "Planned", ["detected", "salvageable"]],
  ["running", RUNNING, "Transferring", "Transferring", ["detected", "salvageable"]],
  [
    "about to be tried again",
    [...RUNNING, { type: "retry", message: "node-a went away" }],
    "Transferring",
    "Retrying",
    ["detected", "salvageable"],
  ],
  ["salvaged", DONE, "Completed", "Salvaged", ["detected", "salvageable", "salvaged"]],
  [
    "recovered",
    [...DONE, recovered],
    "Completed",
    "Salvaged",
    ["detected", "salvageable", "salvaged", "recovered"],
  ],
  [
    "not recovered",
    [...DONE, notRecovered],
    "Completed",
    "Salvaged",
    ["detected", "salvageable", "salvaged", "not_recovered"],
  ],
  [
    "recovered late",
    [...DONE, notRecovered, recovered],
    "Completed",
    "Salvaged",
    ["detected", "salvageable", "salvaged", "not_recovered", "recovered"],
  ],
  ["refused", [detected, refused], "Refused", "NotAuthorized", ["detected", "not_actionable"]],
  [
    "ambiguous",
    [detected, { ...refused, reason: "ImageAmbiguous" }],
    "Refused",
    "ImageAmbiguous",
    ["detected", "ambiguous"],
  ],
  [
    "refused after planning",
    [...PENDING, refused],
    "Refused",
    "NotAuthorized",
    ["detected", "salvageable", "not_actionable"],
  ],
  [
    "failed",
    [...RUNNING, failed],
    "Failed",
    "AttemptsExhausted",
    ["detected", "salvageable", "salvage_failed"],
  ],
  [
    "failed before it ran",
    [...PENDING, { ...failed, reason: "TargetGone" }],
    "Failed",
    "TargetGone",
    ["detected", "salvageable", "salvage_failed"],
  ],
  [
    "recovered without help",
    [...RUNNING, { type: "settled", reason: "RecoveredAlone", message: "it runs" }],
    "Completed",
    "RecoveredAlone",
    ["detected", "salvageable", "recovered"],
  ],
  [
    "cleaned up",
    [detected, { type: "settled", reason: "StaleRecordRemoved", message: "nobody has it" }],
    "Completed",
    "StaleRecordRemoved",
    ["detected"],
  ],
];

for (const [what, changes, phase, reason, transitions] of STORIES) {
  test(`a record that was ${what} says so, and the API server takes it`, () => {
    const status = statusAfter(...changes);
    assert.equal(status.phase, phase);
    assert.equal(status.reason, reason);
    assert.deepEqual(types(status), transitions);
    assert.equal(status.completedAt !== undefined, ["Completed", "Failed", "Refused"].includes(phase));
    assert.deepEqual(validate({ ...record(), status }), []);
  });
}

test("a salvage tells bytes, sources, attempts, times and progress", () => {
  const status = statusAfter(...DONE);
  assert.equal(status.bytesTotal, 1000);
  assert.equal(status.bytesTransferred, 750);
  assert.equal(status.bytesReused, 250);
  assert.equal(status.progress, "100%");
  assert.deepEqual(status.sources, ["node-a"]);
  assert.equal(status.attempts, 1);
  assert.equal(status.startedAt, new Date(T0 + 2000).toISOString());
  assert.equal(status.completedAt, new Date(T0 + 4000).toISOString());
  assert.deepEqual(status.transitions?.at(-1), {
    type: "salvaged",
    time: new Date(T0 + 4000).toISOString(),
    notified: false,
    reason: "Salvaged",
    message: "from node-a",
    digest: PLAN.digest,
    sources: ["node-a"],
    bytes: 750,
    durationMs: 2000,
    attempt: 1,
  });
  assert.deepEqual(conditions(status), ["Authorized=True", "Visible=True"]);
});

test("an attempt that finds all on the node keeps what the one before it has moved, and from where", () => {
  const again = { type: "started", sources: [] } as const;
  const nothing = { bytesTotal: 1000, bytesTransferred: 0, bytesReused: 1000 };
  const status = statusAfter(
    ...RUNNING,
    progress,
    again,
    { type: "progress", bytesTotal: 0, bytesTransferred: 0, bytesReused: 0 },
    { ...salvaged, sources: [], ...nothing },
  );
  assert.deepEqual(
    [status.bytesTotal, status.bytesTransferred, status.bytesReused, status.attempts],
    [1000, 200, 800, 2],
  );
  assert.deepEqual(status.sources, started.sources);
  assert.equal(status.message, "from node-a, node-c");
  assert.deepEqual(status.transitions?.at(-1)?.sources, started.sources);
  assert.equal(status.transitions?.at(-1)?.bytes, 200);
});

test("what only agents are missing for is told as salvageable, and not as out of reach", () => {
  const salvageable = { digest: PLAN.digest, holders: ["node-a", "node-c"] };
  const status = statusAfter(detected, { ...refused, reason: "NoAgent", salvageable });
  assert.deepEqual([status.phase, status.reason, status.digest], ["Refused", "NoAgent", PLAN.digest]);
  assert.deepEqual(
    status.transitions?.map(({ type, sources }) => [type, sources]),
    [
      ["detected", undefined],
      ["salvageable", ["node-a", "node-c"]],
    ],
  );
});

test("progress shows the share of bytes that is there", () => {
  const share = (bytesTotal: number, bytesTransferred: number, bytesReused: number): string | undefined =>
    statusAfter(...RUNNING, { type: "progress", bytesTotal, bytesTransferred, bytesReused }).progress;
  assert.equal(share(1000, 200, 250), "45%");
  assert.equal(share(0, 0, 0), "0%");
  assert.equal(share(1000, 999, 0), "99%");
  assert.equal(share(1000, 2000, 0), "100%");
});

test("each attempt counts, the first one starts the clock", () => {
  const status = statusAfter(
    ...RUNNING,
    { type: "retry", message: "x" },
    { type: "started", sources: ["node-c"] },
  );
  assert.equal(status.attempts, 2);
  assert.equal(status.startedAt, new Date(T0 + 2000).toISOString());
  assert.deepEqual(status.plan?.sources, ["node-c"]);
});

test("the plan is what was authorised, whatever the sources of an attempt", () => {
  const { sources, ...rest } = statusAfter(...RUNNING).plan ?? PLAN;
  const { sources: planned_, ...authorised } = PLAN;
  assert.deepEqual(rest, authorised);
  assert.deepEqual(sources, planned_);
});

test("a refusal without evidence says that it is not authorised, another one does not", () => {
  assert.deepEqual(conditions(statusAfter(detected, refused)), ["Authorized=False"]);
  assert.deepEqual(conditions(statusAfter(detected, { ...refused, reason: "NoSource" })), []);
});

test("recovery is dated from the image being there", () => {
  const status = applyChange(statusAfter(...DONE), recovered, T0 + 4000 + 700);
  assert.equal(status.transitions?.at(-1)?.durationMs, 700);
  assert.deepEqual(conditions(status), ["Authorized=True", "Visible=True", "Recovered=True"]);
  const late = applyChange(applyChange(statusAfter(...DONE), notRecovered, T0), recovered, T0 + 5000);
  assert.deepEqual(conditions(late), ["Authorized=True", "Visible=True", "Recovered=True"]);
});

test("a transition happens once, and keeps its words when it is repeated", () => {
  const once = statusAfter(...DONE, recovered);
  const twice = applyChange(once, { ...recovered, message: "again" }, T0 + 99_000);
  assert.deepEqual(twice.transitions, once.transitions);
});

test("later changes leave earlier transitions as they were", () => {
  let status = statusAfter(detected);
  const seen = new Map<string, string>();
  for (const [index, change] of [planned, started, progress, salvaged, notRecovered, recovered].entries()) {
    status = applyChange(status, change, T0 + index * 5000);
    for (const transition of status.transitions ?? []) {
      const before = seen.get(transition.type);
      assert.equal(JSON.stringify(transition), before ?? JSON.stringify(transition));
      seen.set(transition.type, JSON.stringify(transition));
    }
  }
});

test("notification marks transitions and sums up what is owed", () => {
  const wanted = new Set(["detected", "salvaged"] as const);
  const first = applyChange(statusAfter(...DONE), { type: "notified", types: ["detected"], wanted }, T0);
  assert.deepEqual(
    first.transitions?.map(({ notified }) => notified),
    [true, false, false],
  );
  assert.ok(conditions(first).includes("Notified=False"));
  const second = applyChange(first, { type: "notified", types: ["salvaged"], wanted }, T0);
  assert.ok(conditions(second).includes("Notified=True"));
  assert.equal(second.completedAt, first.completedAt);
});

test("a condition keeps its time while its status stays", () => {
  const before = applyChange(statusAfter(...DONE), notRecovered, T0 + 10_000);
  const after = applyChange(before, { ...notRecovered, message: "still" }, T0 + 20_000);
  const time = (status: SalvageRecordStatus): string | undefined =>
    status.conditions?.find(({ type }) => type === "Recovered")?.lastTransitionTime;
  assert.equal(time(after), time(before));
});

test("marking, counting pods and learning a cause are no progress", () => {
  const status = statusAfter(detected);
  const changes: readonly RecordChange[] = [
    { type: "notified", types: ["detected"], wanted: new Set(["detected"]) },
    { type: "cause", cause: "unauthorized" },
    { type: "pods", pods: [] },
  ];
  for (const change of changes) {
    assert.equal(applyChange(status, change, T0 + 99_000).progressAt, status.progressAt, change.type);
  }
  assert.equal(applyChange(status, { type: "cause", cause: "unauthorized" }, T0).cause, "unauthorized");
  assert.equal(applyChange(status, { type: "cause", cause: "unauthorized" }, T0).origin?.cause, ORIGIN.cause);
});

test("a change leaves the status it was given alone", () => {
  const status = statusAfter(detected);
  const before = JSON.stringify(status);
  applyChange(status, planned, T0);
  assert.equal(JSON.stringify(status), before);
});
