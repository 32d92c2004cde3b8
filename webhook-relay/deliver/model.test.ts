import assert from "node:assert/strict";
import { test } from "node:test";

import { ModelRun } from "../testing/model-run.ts";

const SEEDS = 6;
const STEPS = 200;

test("whatever happens in whatever order, deliveries, breaker and pauses are as a simple model has them", async (t) => {
  const seen = { probes: 0, pauses: 0, dead: 0, crashes: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const run = new ModelRun(seed);
    try {
      for (let step = 0; step < STEPS; step += 1) await run.step();
      await run.settle();
      for (const what of ["probes", "pauses", "dead", "crashes"] as const) seen[what] += run.seen[what];
    } catch (error) {
      t.diagnostic(`seed ${seed}`);
      throw error;
    } finally {
      run.close();
    }
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(
    Object.values(seen).every((times) => times >= 3),
    "all of it was seen",
  );
});
