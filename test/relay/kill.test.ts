import assert from "node:assert/strict";
import { test } from "node:test";

import { runKills } from "./kill-run.ts";

/** As many as fit into a run of all tests; `node test/relay/kill-main.ts 200` does the rest. */
const SEEDS = 20;

test("a relay that is killed at any point loses nothing, and repeats only what was just being sent", async (t) => {
  const report = await runKills(SEEDS);
  t.diagnostic(JSON.stringify({ ...report, lost: report.lost.length }));
  assert.ok(report.accepted > SEEDS * 5, "there was traffic");
  assert.deepEqual(report.lost, []);
  assert.deepEqual(report.unexplained, []);
  assert.deepEqual(report.notReplayed, []);
  assert.deepEqual(report.forgotten, []);
});
