import assert from "node:assert/strict";
import { test } from "node:test";

import { FAILED_RECHECK_MS, NOT_RECOVERED_AT_MS } from "../limits.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { CHANGES, DIGEST, record, statusAfter, T0 } from "../testing/records.ts";
import { decideEpisode, nextEpisode, type FailingPod } from "./episode.ts";
import { legacyStatus } from "./legacy.ts";
import { recordName } from "./record-name.ts";

const { detected, planned, started, salvaged, refused, failed, recovered, notRecovered } = CHANGES;
const OPEN = record({ name: "open", status: statusAfter(detected) });
const REFUSED = record({ name: "refused", status: statusAfter(detected, refused) });
const FAILED = record({ name: "failed", status: statusAfter(detected, planned, failed) });
const GONE = record({
  name: "gone",
  status: statusAfter(detected, planned, { ...failed, reason: "TargetGone" }),
});
const SALVAGED = record({ name: "salvaged", status: statusAfter(detected, planned, started, salvaged) });
const RECOVERED = record({
  name: "recovered",
  status: statusAfter(detected, planned, started, salvaged, recovered),
});
const STUCK = record({
  name: "stuck",
  status: statusAfter(detected, planned, started, salvaged, notRecovered),
});
const LEGACY = { ...record({ name: "legacy" }), status: legacyStatus(record()) };

/** named by the record */
const SAME: FailingPod = { uid: "uid-web-1", createdAt: T0 - 1000 };
/** there when the record ended, though not named */
const NEIGHBOUR: FailingPod = { uid: "uid-web-2", createdAt: T0 - 1000 };
const NEW: FailingPod = { uid: "uid-web-9", createdAt: T0 + 60_000 };
const SOON = T0 + 90_000;
const LATER = T0 + 60_000 + FAILED_RECHECK_MS;

function decide(records: readonly SalvageRecord[], pods: readonly FailingPod[], now: number): string {
  const decision = decideEpisode(records, pods, now);
  if (decision.kind !== "new") return `${decision.kind} ${decision.record.metadata.name}`;
  return decision.onlyIfAllowed ? "new if allowed" : "new";
}

const TABLE: readonly (readonly [string, readonly SalvageRecord[], FailingPod, number, string])[] = [
  ["nothing has been told", [], SAME, SOON, "new"],
  ["a salvage is under way", [OPEN], NEW, SOON, "join open"],
  ["a salvage is under way after earlier ones", [REFUSED, FAILED, OPEN], NEW, SOON, "join open"],
  ["the pod was refused", [REFUSED], SAME, SOON, "new if allowed"],
  ["the pod was refused long ago", [REFUSED], SAME, LATER, "new if allowed"],
  ["a pod beside it was refused", [REFUSED], NEIGHBOUR, SOON, "new if allowed"],
  ["a new pod after a refusal", [REFUSED], NEW, SOON, "new if allowed"],
  ["a new pod long after a refusal", [REFUSED], NEW, LATER, "new"],
  ["its salvage failed", [FAILED], SAME, SOON, "settled failed"],
  ["its salvage failed some time ago", [FAILED], SAME, LATER, "new"],
  ["a new pod after a failure", [FAILED], NEW, SOON, "settled failed"],
  ["its node was gone and is back", [GONE], SAME, SOON, "new if allowed"],
  ["a new pod on a node that was gone", [GONE], NEW, SOON, "new if allowed"],
  ["its node goes and comes", [GONE, GONE, GONE], SAME, SOON, "settled gone"],
  ["it was salvaged and is about to start", [SALVAGED], SAME, SOON, "settled salvaged"],
  ["it was salvaged, the pod beside it fails still", [SALVAGED], NEIGHBOUR, SOON, "settled salvaged"],
  ["it was salvaged and never started", [STUCK], SAME, SOON, "settled stuck"],
  ["it was salvaged and has not started for long", [STUCK], SAME, LATER, "new"],
  ["one pod has recovered, another fails a moment longer", [RECOVERED], SAME, SOON, "settled recovered"],
  ["it had recovered and fails again", [RECOVERED], SAME, SOON + NOT_RECOVERED_AT_MS, "new"],
  ["a new pod after a salvage", [SALVAGED], NEW, SOON, "new"],
  ["the third time in a row", [RECOVERED, RECOVERED, RECOVERED], NEW, SOON, "settled recovered"],
  ["the original tote has been here", [LEGACY], SAME, SOON, "new"],
];

for (const [what, records, pod, now, expected] of TABLE) {
  test(`${what}: ${expected}`, () => {
    assert.equal(decide(records, [pod], now), expected);
    assert.equal(decide(records.toReversed(), [pod], now), expected);
  });
}

test("pods whose pull hangs cannot see that the image has come: moving it once more would not help", () => {
  const hanging = { ...SAME, isHanging: true };
  const later = LATER + 24 * 60 * 60_000;
  assert.equal(decide([STUCK], [hanging], later), "settled stuck");
  assert.equal(decide([STUCK], [hanging, SAME], later), "new");
  assert.equal(decide([STUCK], [{ ...NEW, isHanging: true }], later), "new");
  assert.equal(decide([FAILED], [hanging], later), "new");
});

test("each failure doubles the time until the next try", () => {
  const recheckAt = (records: readonly SalvageRecord[]): number => {
    const decision = decideEpisode(records, [SAME], SOON);
    return decision.kind === "settled" ? decision.recheckAt - (T0 + 2000) : Number.NaN;
  };
  assert.equal(recheckAt([FAILED]), FAILED_RECHECK_MS);
  assert.equal(recheckAt([FAILED, FAILED]), 2 * FAILED_RECHECK_MS);
  assert.equal(recheckAt(Array.from({ length: 200 }, () => FAILED)), 6 * 60 * 60_000);
});

test("three hundred pods that fail together make one record", () => {
  const pods = Array.from({ length: 300 }, (_, index) => ({ uid: `u${index}`, createdAt: T0 - index }));
  assert.equal(decide([OPEN], pods, SOON), "join open");
  assert.equal(decide([SALVAGED], pods, SOON), "settled salvaged");
  assert.equal(decide([REFUSED], pods, SOON), "new if allowed");
});

const KEY = { namespace: "shop", content: DIGEST, targetNode: "node-b" };
const named = (episode: number): SalvageRecord =>
  record({ name: recordName(KEY, "r/app", episode), status: statusAfter(detected, refused) });

test("the next episode is one more than have ended", () => {
  assert.equal(nextEpisode(KEY, "r/app", []), 1);
  assert.equal(nextEpisode(KEY, "r/app", [named(1)]), 2);
  assert.equal(nextEpisode(KEY, "r/app", [named(1), named(2)]), 3);
});

test("where older records are gone, a name that is taken is not used again", () => {
  assert.equal(nextEpisode(KEY, "r/app", [named(2)]), 3);
  assert.equal(nextEpisode(KEY, "r/app", [named(3), named(4)]), 5);
});
