import assert from "node:assert/strict";
import { test } from "node:test";

import { createStringPool, noPool } from "./string-pool.ts";

test("equal lists are one list, and different ones stay as they are", () => {
  const pool = createStringPool();
  const [one, same, longer, other] = [
    pool.shareList(["app@sha256:1", "app:v1"]),
    pool.shareList(["app@sha256:1", "app:v1"]),
    pool.shareList(["app@sha256:1", "app:v1", "app:v2"]),
    pool.shareList(["app@sha256:1", "app:v3"]),
  ];
  assert.equal(same, one);
  assert.deepEqual(longer, ["app@sha256:1", "app:v1", "app:v2"]);
  assert.deepEqual(other, ["app@sha256:1", "app:v3"]);
  assert.deepEqual(one, ["app@sha256:1", "app:v1"]);
});

test("a shared list is a copy that nobody can change", () => {
  const texts = ["app:v1"];
  const shared = createStringPool().shareList(texts);
  texts.push("app:v2");
  assert.deepEqual(shared, ["app:v1"]);
  assert.ok(Object.isFrozen(shared));
});

test("an empty list is shared, too", () => {
  const pool = createStringPool();
  assert.equal(pool.shareList([]), pool.shareList([]));
});

test("a pool that is full begins anew, and forgets no list that is in use", () => {
  const pool = createStringPool(2, 2);
  const first = pool.shareList(["a"]);
  for (const name of ["b", "c", "d"]) assert.deepEqual(pool.shareList([name]), [name]);
  const again = pool.shareList(["a"]);
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
});

test("without a pool lists stay what they are", () => {
  const texts = ["a"];
  assert.equal(noPool.shareList(texts), texts);
});
