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

/** Holds a key until told to let go, with one that waits for it until told to leave. */
function held(lock: KeyedLock, log: string[]) {
  const gate = Promise.withResolvers<void>();
  const holder = lock.run("k", never, async () => {
    await gate.promise;
    log.push("holder");
  });
  const stop = new AbortController();
  const waiter = lock.run("k", stop.signal, async () => {
    log.push("waiter");
  });
  const next = (name: string) =>
    lock.run("k", never, async () => {
      log.push(name);
    });
  const leave = async (): Promise<void> => {
    stop.abort(new Error("left"));
    await assert.rejects(waiter, /left/);
  };
  return { holder, next, leave, letGo: () => gate.resolve() };
}

test("a waiter that leaves does not take the key from its holder", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const { holder, next, leave, letGo } = held(lock, log);
  await leave();
  assert.equal(lock.isHeld("k"), true);
  const later = next("later");
  letGo();
  await Promise.all([holder, later]);
  assert.deepEqual(log, ["holder", "later"]);
  assert.equal(lock.isHeld("k"), false);
});

test("a waiter whose signal fires leaves, and those behind it still wait for the holder", async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const { holder, next, leave, letGo } = held(lock, log);
  const behind = next("behind");
  await leave();
  letGo();
  await Promise.all([holder, behind]);
  assert.deepEqual(log, ["holder", "behind"]);
});
