import assert from "node:assert/strict";
import { test } from "node:test";

import type { RelaySample } from "./measures.ts";
import { formatRelay, summarizeRelay } from "./summary.ts";

function sample(factor: number): RelaySample {
  return {
    acceptSingle: { relay: 500 * factor, bare: 1000 },
    acceptBatched: { relay: 1000 * factor, bare: 40_000 },
    deliver: { relay: 1000 * factor, bare: 4000 },
    latencyMs: { relay: [10, 20, 30 * factor], bare: [1, 2, 3] },
    neighbours: { alone: [1, 4], besideDead: [2, 5 * factor] },
  };
}

test("rounds are summed up by their medians, and ratios are taken within a round", () => {
  const { rows, neighbours, goals } = summarizeRelay([sample(1), sample(3), sample(1)]);
  assert.deepEqual(rows[0], {
    name: "accepts, one to a request",
    unit: "/s",
    relay: 500,
    bare: 1000,
    ratio: 0.5,
  });
  assert.deepEqual([rows[3]?.relay, rows[3]?.ratio, rows[4]?.relay], [20, 10, 30]);
  assert.deepEqual(neighbours, { alone: 4, besideDead: 5, ratio: 1.25 });
  assert.deepEqual(
    goals.map(({ met }) => met),
    [false, true],
  );
});

test("each goal is said to be met or missed", () => {
  const text = formatRelay(summarizeRelay([sample(1)]));
  assert.match(text, /^MISSED {2}batched accepts\/s 1000, at least 2000$/m);
  assert.match(text, /^met {5}deliveries\/s 1000, at least 1000$/m);
  assert.match(text, /p99: 4\.0 ms, beside one that never answers 5\.0 ms, ratio 1\.25$/m);
  assert.match(text, /^post to arrival, p99 +30\.0 ms +3\.0 ms +10\.00$/m);
});
