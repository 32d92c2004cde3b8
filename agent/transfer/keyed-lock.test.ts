import assert from "node:assert/strict";
import { test } from "node:test";

import { KeyedLock } from "./keyed-lock.ts";

const never = new AbortController().signal;

test("work on one key runs one after the other, in order, also after a failure", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const step = (name: string, fails = false) =>
    lock.run("k", never, async () => {
      log.push(`${name}+`);
      await Promise.resolve();
      await Promise.resolve();
      log.push(`${name}-`);
      if (fails) throw new Error(name);
    });
  const results = await Promise.allSettled([step("a"), step("b", true), step("c")]);
  assert.deepEqual(log, ["a+", "a-", "b+", "b-", "c+", "c-"]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.equal(lock.isHeld("k"), false);
});

test("work on different keys runs at the same time", async () => {
  const lock = new KeyedLock();
  const gate = Promise.withResolvers<void>();
  const first = lock.run("a", never, () => gate.promise);
  await lock.run("b", never, async () => gate.resolve());
  await first;
});

test("a waiter that leaves does not take the key from its holder", async () => {
  const lock = new KeyedLock();
  const gate = Promise.withResolvers<void>();
  const log: string[] = [];
  const holder = lock.run("k", never, async () => {
    await gate.promise;
    log.push("holder");
  });
  const stop = new AbortController();
  const waiter = lock.run("k", stop.signal, () => Promise.resolve());
  stop.abort(new Error("left"));
  await assert.rejects(waiter, /left/);
  assert.equal(lock.isHeld("k"), true);
  const later = lock.run("k", never, async () => {
    log.push("later");
  });
  gate.resolve();
  await Promise.all([holder, later]);
  assert.deepEqual(log, ["holder", "later"]);
  assert.equal(lock.isHeld("k"), false);
});

test("a waiter whose signal fires leaves, and those behind it still wait for the holder", async () => {
  const lock = new KeyedLock();
  const gate = Promise.withResolvers<void>();
  const log: string[] = [];
  const holder = lock.run("k", never, async () => {
    await gate.promise;
    log.push("holder");
  });
  const stop = new AbortController();
  const waiter = lock.run("k", stop.signal, async () => {
    log.push("waiter");
  });
  const behind = lock.run("k", never, async () => {
    log.push("behind");
  });
  stop.abort(new Error("left"));
  await assert.rejects(waiter, /left/);
  gate.resolve();
  await Promise.all([holder, behind]);
  assert.deepEqual(log, ["holder", "behind"]);
});
