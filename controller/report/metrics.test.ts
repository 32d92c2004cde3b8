import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { createControllerMetrics, type ControllerMetrics, type FailingNow } from "./metrics.ts";

const NOTHING: FailingNow = {
  counts: { ignored: 0, pending: 0, transferring: 0, recovering: 0, not_actionable: 0, failed: 0 },
  oldestAgeMs: 0,
};

function create(failingNow: () => FailingNow = () => NOTHING): {
  readonly metrics: ControllerMetrics;
  readonly lines: () => Promise<readonly string[]>;
} {
  const registry = new Registry();
  const metrics = createControllerMetrics({ registry, failingNow });
  return { metrics, lines: async () => (await registry.metrics()).split("\n") };
}

const COUNTERS = [
  "tote_detected_failures_total 0",
  "tote_salvageable_images_total 0",
  "tote_not_actionable_total 0",
  "tote_corrupt_images_total 0",
  "tote_salvage_attempts_total 0",
  "tote_salvage_successes_total 0",
  "tote_salvage_failures_total 0",
  "tote_push_attempts_total 0",
  "tote_push_successes_total 0",
  "tote_push_failures_total 0",
  'tote_registry_resolve_total{result="success"} 0',
  'tote_registry_resolve_total{result="failure"} 0',
  'tote_registry_resolve_total{result="not_found"} 0',
  "tote_salvage_duration_seconds_count 0",
  "tote_push_duration_seconds_count 0",
  "tote_registry_resolve_duration_seconds_count 0",
  "tote_recovery_duration_seconds_count 0",
  "tote_oldest_failure_age_seconds 0",
  'tote_failing_containers{state="pending"} 0',
  'tote_failing_containers{state="not_actionable"} 0',
  'tote_failing_containers{state="failed"} 0',
];

test("every name that alerts and dashboards use is there at 0 from the start", async () => {
  const lines = await create().lines();
  for (const line of COUNTERS) assert.ok(lines.includes(line), line);
});

test("durations have the original's buckets", async () => {
  const lines = await create().lines();
  for (const name of ["tote_salvage_duration_seconds", "tote_push_duration_seconds"]) {
    const bounds = lines
      .filter((line) => line.startsWith(`${name}_bucket`))
      .map((line) => /le="([^"]+)"/.exec(line)?.[1]);
    assert.deepEqual(bounds, ["0.5", "1", "2", "5", "10", "30", "60", "120", "300", "+Inf"]);
  }
});

test("what happens is counted, and durations are in seconds", async () => {
  const { metrics, lines } = create();
  metrics.detected();
  metrics.salvageable();
  metrics.notActionable();
  metrics.corrupt();
  metrics.attempt();
  metrics.salvaged(1500);
  metrics.salvageFailed();
  metrics.recovered(700);
  metrics.pushAttempt();
  metrics.pushed(250);
  metrics.pushFailed();
  metrics.registryResolved("not_found", 100);
  const after = await lines();
  for (const line of COUNTERS.filter((one) => one.includes("_total ") || one.includes("not_found"))) {
    assert.ok(after.includes(line.replace(/0$/, "1")), line);
  }
  assert.ok(after.includes("tote_salvage_duration_seconds_sum 1.5"));
  assert.ok(after.includes("tote_recovery_duration_seconds_sum 0.7"));
  assert.ok(after.includes("tote_push_duration_seconds_sum 0.25"));
  assert.ok(after.includes("tote_registry_resolve_duration_seconds_sum 0.1"));
});

test("gauges are asked at each scrape", async () => {
  let now = NOTHING;
  const { lines } = create(() => now);
  now = { counts: { ...NOTHING.counts, transferring: 3 }, oldestAgeMs: 90_000 };
  assert.ok((await lines()).includes('tote_failing_containers{state="transferring"} 3'));
  assert.ok((await lines()).includes("tote_oldest_failure_age_seconds 90"));
  now = NOTHING;
  assert.ok((await lines()).includes('tote_failing_containers{state="transferring"} 0'));
});

test("two controllers in one process do not share numbers", async () => {
  const one = create();
  const other = create();
  one.metrics.detected();
  assert.ok((await other.lines()).includes("tote_detected_failures_total 0"));
});
