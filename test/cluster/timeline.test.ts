import assert from "node:assert/strict";
import { test } from "node:test";

import { pullDuration, timelineBars, timelineTable, type Timeline } from "./timeline.ts";

const TIMES: Timeline = {
  failed: 1000,
  detected: 1100,
  planned: 1200,
  started: 1300,
  visible: 4200,
  salvaged: 4300,
  running: 5000,
};

test("the time of a pull is read as Go writes it", () => {
  for (const [text, ms] of [
    ["1.5s", 1500],
    ["1m2.25s", 62_250],
    ["734.5ms", 734.5],
    ["2.5s (3s including waiting)", 2500],
  ] as const) {
    assert.equal(pullDuration(`Successfully pulled image "registry.test:5000/a:v1" in ${text}`), ms);
  }
  assert.throws(() => pullDuration("Pulling image"), /no duration/);
});

test("the bars tell transfer from all else", () => {
  const bars = timelineBars(TIMES, 2000).map(({ limit, measured }) => [measured, limit]);
  assert.deepEqual(bars, [
    [3000, 3200],
    [1000, 2000],
    [800, 3000],
  ]);
});

test("the table has the steps in order of time, what a pull took, and which bars are met", () => {
  const lines = timelineTable({ ...TIMES, visible: 4400 }, 1000);
  assert.match(lines[5] ?? "", /3\.40 s {2}\+0\.10 s {2}ImageStatus says yes/);
  assert.match(lines[7] ?? "", /1\.00 s {2}a healthy pull/);
  assert.match(lines[8] ?? "", /^missed transfer.*3\.00 s of 1\.60 s/);
  assert.match(lines[9] ?? "", /^met {4}everything/);
});
