import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { systemClock } from "./clock.ts";

describe("systemClock", () => {
  it("ends a sleep early with the reason of the signal, before and during", async () => {
    const reason = new Error("stop");
    await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason);
    const stop = new AbortController();
    const sleeping = systemClock.sleep(60_000, stop.signal);
    stop.abort(reason);
    await assert.rejects(sleeping, reason);
  });

  it("ends a sleep after its time", async (context) => {
    const alive = setInterval(() => undefined, 1000);
    context.after(() => clearInterval(alive));
    await systemClock.sleep(1, new AbortController().signal);
  });

  it("tells the time of day, and time that never goes back", () => {
    assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
    const before = systemClock.monotonic();
    assert.ok(systemClock.monotonic() >= before);
  });
});
