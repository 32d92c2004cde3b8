import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { orAbort } from "../../lib/abort.ts";
import { DeadlineError, withDeadline, withSignals } from "./deadline.ts";
import { IdleError, withIdleLimit } from "./idle.ts";

const NEVER = new AbortController().signal;
const forever = (signal: AbortSignal): Promise<never> => orAbort(new Promise<never>(() => undefined), signal);

test("what takes too long is told so", async () => {
  const clock = createManualClock();
  const running = withDeadline(clock, 1000, NEVER, forever);
  const failed = assert.rejects(running, new DeadlineError(1000));
  await clock.advance(1000);
  await failed;
});

test("what is done in time leaves no timer behind", async () => {
  const clock = createManualClock();
  assert.equal(await withDeadline(clock, 1000, NEVER, () => Promise.resolve(7)), 7);
  await clock.advance(0);
  assert.equal(clock.sleepers, 0);
});

test("the caller's own signal comes through with its reason", async () => {
  const clock = createManualClock();
  const caller = new AbortController();
  const running = withDeadline(clock, 1000, caller.signal, forever);
  caller.abort(new Error("not needed any more"));
  await assert.rejects(running, /not needed any more/);
  await assert.rejects(withDeadline(clock, 1000, caller.signal, forever), /not needed any more/);
  await clock.advance(0);
  assert.equal(clock.sleepers, 0);
});

test("the first of several signals counts", async () => {
  const one = new AbortController();
  const other = new AbortController();
  const running = withSignals([one.signal, other.signal], forever);
  other.abort(new Error("the other"));
  one.abort(new Error("the one"));
  await assert.rejects(running, /the other/);
  await assert.rejects(withSignals([NEVER, one.signal], forever), /the one/);
});

test("silence is only silence when nothing was heard for the whole time", async () => {
  const clock = createManualClock();
  let touched: () => void = () => undefined;
  const running = withIdleLimit(clock, 1000, NEVER, (signal, touch) => {
    touched = touch;
    return forever(signal);
  });
  let error: unknown;
  running.catch((reason: unknown) => {
    error = reason;
  });
  for (let n = 0; n < 5; n += 1) {
    await clock.advance(900);
    touched();
  }
  assert.equal(error, undefined);
  await clock.advance(999);
  assert.equal(error, undefined);
  await clock.advance(1);
  assert.deepEqual(error, new IdleError(1000));
  assert.equal(clock.sleepers, 0);
});

test("an end in time stops the watch over silence", async () => {
  const clock = createManualClock();
  assert.equal(await withIdleLimit(clock, 1000, NEVER, () => Promise.resolve("done")), "done");
  await clock.advance(0);
  assert.equal(clock.sleepers, 0);
});
