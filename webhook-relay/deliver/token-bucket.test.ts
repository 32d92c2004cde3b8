import assert from "node:assert/strict";
import { test } from "node:test";

import { TokenBucket } from "./token-bucket.ts";

test("a bucket lets a burst through, then so many per second", () => {
  const bucket = new TokenBucket({ perSecond: 2, burst: 4 }, 0);
  assert.equal(bucket.take(10, 0), 4);
  assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.waitMs(0), 500);
  assert.equal(bucket.take(10, 500), 1);
  assert.equal(bucket.take(10, 1750), 2);
  assert.equal(bucket.take(10, 100_000), 4, "a long pause saves up no more than a burst");
});

test("what is given back can be taken again, a rate below one per second too", () => {
  const bucket = new TokenBucket({ perSecond: 0.5, burst: 1 }, 0);
  assert.equal(bucket.take(4, 0), 1);
  bucket.giveBack(1);
  assert.equal(bucket.take(4, 0), 1);
  assert.equal(bucket.waitMs(0), 2000);
  assert.equal(bucket.take(1, 1999), 0);
  assert.equal(bucket.take(1, 2000), 1);
});
