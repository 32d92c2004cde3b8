import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BufferPool } from "./buffer-pool.ts";

function pool(keep = 2): BufferPool {
  return new BufferPool({ minBytes: 10, maxBytes: 100, keep });
}

describe("the pool of buffers", () => {
  it("hands memory out again once it is back, in the length asked for", () => {
    const buffers = pool();
    const first = buffers.take(100);
    assert.equal(first.length, 100);
    buffers.giveBack(first.subarray(20, 30));
    const second = buffers.take(50);
    assert.equal(second.buffer, first.buffer);
    assert.deepEqual([second.byteOffset, second.length], [first.byteOffset, 50]);
  });

  it("never hands out memory that is still out, also when it came back twice", () => {
    const buffers = pool();
    const first = buffers.take(100);
    buffers.giveBack(first);
    buffers.giveBack(first);
    const memory = [1, 2, 3].map(() => buffers.take(100).buffer);
    assert.equal(new Set(memory).size, 3);
  });

  it("gives what is too small or too large memory of its own, and takes none of that", () => {
    const buffers = pool();
    for (const length of [0, 9, 101]) {
      const single = buffers.take(length);
      assert.equal(single.length, length);
      buffers.giveBack(single);
      assert.notEqual(buffers.take(100).buffer, single.buffer);
    }
  });

  it("takes no memory of others", () => {
    const buffers = pool();
    const foreign = new Uint8Array(100);
    buffers.giveBack(foreign);
    buffers.giveBack(new Uint8Array(new SharedArrayBuffer(100)));
    assert.notEqual(buffers.take(100).buffer, foreign.buffer);
  });

  it("keeps no more than it was told to", () => {
    const buffers = pool(1);
    const [first, second] = [buffers.take(100), buffers.take(100)];
    buffers.giveBack(first);
    buffers.giveBack(second);
    assert.equal(buffers.take(100).buffer, first.buffer);
    assert.notEqual(buffers.take(100).buffer, second.buffer);
  });
});
