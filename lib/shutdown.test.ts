import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";

import { onShutdownSignal } from "./shutdown.ts";

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
