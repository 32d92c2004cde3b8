import assert from "node:assert/strict";
import { test } from "node:test";

import type { BlackHoleReport } from "./black-holes.ts";
import { largeCluster, type LargeReport } from "./large-cluster.ts";
import { blackHoleBars, formatControllerBar, formatLarge, largeBars, percentile } from "./summary.ts";

const MIB = 1024 * 1024;
const VIEW = {
  questions: 1_200,
  repeated: 0,
  imports: 300,
  silentConnections: 0,
  records: {},
  running: 300,
  cpuSeconds: 60,
};
const MEMORY = { now: 335 * MIB, peak: 390 * MIB };
const CPU = { controller: 12.34, world: 30 };
const REPORT: LargeReport = {
  spec: largeCluster(1),
  syncSeconds: 20,
  syncCpu: CPU,
  memoryAfterSync: { now: 330 * MIB, peak: 390 * MIB },
  stormSeconds: 8,
  idleCpu: 0.01,
  updates: { perSecond: 200, cpu: 0.12 },
  latenciesMs: Array.from({ length: 200 }, (_none, at) => at + 1),
  memoryAtEnd: MEMORY,
  view: VIEW,
};

test("percentiles are values that were measured", () => {
  const values = Array.from({ length: 100 }, (_none, at) => 100 - at);
  assert.equal(percentile(values, 50), 50);
  assert.equal(percentile(values, 99), 99);
  assert.equal(percentile(values, 100), 100);
  assert.equal(percentile([7], 1), 7);
  assert.throws(() => percentile([], 50));
});

test("bars are missed by memory, by slowness and by a question too many", () => {
  assert.deepEqual(
    largeBars(REPORT).map(({ met }) => met),
    [true, true, true],
  );
  const worse: LargeReport = {
    ...REPORT,
    memoryAfterSync: { now: 401 * MIB, peak: 401 * MIB },
    latenciesMs: REPORT.latenciesMs.map((latency) => latency + 60),
    view: { ...VIEW, repeated: 1 },
  };
  assert.deepEqual(
    largeBars(worse).map(({ met }) => met),
    [false, false, false],
  );
  const view = { ...VIEW, repeated: 2 };
  const holes: BlackHoleReport = { spec: REPORT.spec, seconds: 20, cpu: CPU, memoryAtEnd: MEMORY, view };
  assert.deepEqual(blackHoleBars(holes).map(formatControllerBar), [
    "MISSED  questions asked again 2 times, at most 0 times",
  ]);
});

test("the lines name what was measured and each bar", () => {
  const lines = formatLarge(REPORT);
  assert.match(lines, /^time to first sync +20\.0 s$/m);
  assert.match(lines, /^CPU meanwhile +controller 12\.3 s, API server and agents 30\.0 s$/m);
  assert.match(lines, /^CPU at 200 pod updates\/s +12\.0 % of a core$/m);
  assert.match(lines, /^pod status to ImportImage +p50 100 ms, p99 198 ms, max 200 ms of 200$/m);
  assert.match(lines, /^met {5}resident memory after the first sync 330 MiB, at most 400 MiB$/m);
});
