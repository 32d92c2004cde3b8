import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";

import { createManualClock } from "../test/harness/manual-clock.ts";
import { boundShutdown, onShutdownSignal } from "./shutdown.ts";

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

describe("onShutdownSignal", () => {
  for (const name of ["SIGTERM", "SIGINT"]) {
    it(`fires at the first ${name} and says which it was`, () => {
      const source = new FakeProcess();
      const signal = onShutdownSignal(source);
      assert.equal(signal.aborted, false);
      source.emit(name, name);
      assert.equal(signal.aborted, true);
      assert.match(String(signal.reason), new RegExp(`stopped by ${name}`));
      assert.deepEqual(source.exits, []);
    });
  }

  it("ends the process with 1 at the second one, whichever it is", () => {
    const source = new FakeProcess();
    onShutdownSignal(source);
    source.emit("SIGTERM", "SIGTERM");
    source.emit("SIGINT", "SIGINT");
    assert.deepEqual(source.exits, [1]);
  });
});

describe("boundShutdown", () => {
  for (const [what, endsAfterMs, late] of [
    ["tells of an end that takes too long", 1_000, 1],
    ["says nothing when all has ended in time", 999, 0],
  ] as const) {
    it(what, async () => {
      const clock = createManualClock();
      const stop = new AbortController();
      let told = 0;
      const onLate = (): void => void (told += 1);
      const inTime = boundShutdown(stop.signal, { timeoutMs: 1_000, clock, onLate });
      await clock.advance(5_000);
      assert.equal(told, 0, "nobody has asked it to end");
      stop.abort();
      await clock.advance(endsAfterMs);
      inTime();
      await clock.advance(5_000);
      assert.equal(told, late);
    });
  }
});
