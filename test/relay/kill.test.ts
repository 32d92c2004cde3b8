import assert from "node:assert/strict";
import { test } from "node:test";

import { CASES } from "./kill-cases.ts";
import { runKills } from "./kill-run.ts";

/** Every case has its turn; `node test/relay/kill-main.ts 200` does the rest. */
const SEEDS = CASES.length;

test("a relay that is killed at any point loses nothing, and repeats only what was just being sent", async (t) => {
  const report = await runKills(SEEDS);
  t.diagnostic(JSON.stringify({ ...report, lost: report.lost.length }));
  assert.ok(report.accepted > SEEDS * 5, "there was traffic");
  for (const what of [
    "replay: mid-replay",
    "retention: mid-retention",
    "traffic: after POST",
    "slack: after Slack call",
  ]) {
    assert.ok((report.kills[what] ?? 0) > 0, `it was killed at "${what}"`);
  }
  assert.deepEqual(report.lost, []);
  assert.deepEqual(report.unexplained, []);
  assert.deepEqual(report.tooMany, []);
  assert.deepEqual(report.unknown, []);
  assert.deepEqual(report.notReplayed, []);
  assert.deepEqual(report.forgotten, []);
  assert.ok(report.slack.incidents > 0, "Slack was told");
  assert.deepEqual(report.slack.unsaid, []);
  assert.deepEqual(report.slack.doubled, []);
  assert.deepEqual(report.slack.overRepeated, []);
});
