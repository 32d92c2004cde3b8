import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { leadAlone } from "./lead-alone.ts";
import { takenLease } from "./lease-record.ts";

const never = new AbortController().signal;

test("each start is a later term, and later than that of a lease made before", async () => {
  const clock = createManualClock(Date.parse("2026-08-01T10:00:00Z"));
  const claim = { identity: "one", leaseDurationMs: 15_000, now: clock.now(), lastTransition: 0 };
  const epochs = [takenLease(undefined, claim).leaseTransitions];
  for (let start = 0; start < 3; start += 1) {
    await clock.advance(1000);
    await leadAlone(
      async (term) => {
        epochs.push(term.epoch);
        await Promise.resolve();
      },
      clock,
      never,
    );
  }
  const [first = 0] = epochs;
  assert.deepEqual(epochs, [first, first + 1, first + 2, first + 3]);
});

test("the term ends with the process, and its failure comes out", async () => {
  const clock = createManualClock();
  const stopped = new AbortController();
  const led = leadAlone(async ({ signal }) => await clock.sleep(1000, signal), clock, stopped.signal);
  stopped.abort(new Error("over"));
  await led;
  const failing = leadAlone(() => Promise.reject(new Error("broken")), clock, never);
  await assert.rejects(failing, /broken/);
});
