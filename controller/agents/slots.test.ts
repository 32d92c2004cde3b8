import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";

import { Slots } from "./slots.ts";

const { signal } = new AbortController();

/** Something that holds its place until it is told to end. */
function holder() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const state = { hasBegun: false };
  return {
    state,
    end: resolve,
    fail: reject,
    run: async (): Promise<void> => {
      state.hasBegun = true;
      await promise;
    },
  };
}

test("who comes when all places are taken waits for the first that is free, in order", async () => {
  const slots = new Slots(1);
  const [first, second, third] = [holder(), holder(), holder()];
  const runs = [first, second, third].map((one) => slots.run(signal, one.run));
  await setImmediate();
  assert.deepEqual([first.state.hasBegun, second.state.hasBegun], [true, false]);
  first.end();
  await setImmediate();
  assert.deepEqual([second.state.hasBegun, third.state.hasBegun], [true, false]);
  second.end();
  third.end();
  await Promise.all(runs);
  assert.ok(third.state.hasBegun);
});

test("what fails gives its place back", async () => {
  const slots = new Slots(1);
  const first = holder();
  const run = slots.run(signal, first.run);
  first.fail(new Error("it broke"));
  await assert.rejects(run, /it broke/);
  assert.equal(await slots.run(signal, async () => await Promise.resolve("next")), "next");
});

test("who gives up while waiting takes no place, and loses none to others", async () => {
  const slots = new Slots(1);
  const first = holder();
  const run = slots.run(signal, first.run);
  const impatient = new AbortController();
  const waiting = slots.run(impatient.signal, async () => await Promise.resolve("ran"));
  impatient.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  first.end();
  await run;
  assert.equal(await slots.run(signal, async () => await Promise.resolve("next")), "next");
});

test("a place given to somebody who gives up in that moment goes to the next", async () => {
  const slots = new Slots(1);
  const first = holder();
  const run = slots.run(signal, first.run);
  const impatient = new AbortController();
  const waiting = slots.run(impatient.signal, async () => await Promise.resolve("ran"));
  const last = slots.run(signal, async () => await Promise.resolve("last"));
  waiting.catch(() => undefined);
  first.end();
  impatient.abort(new Error("enough"));
  await Promise.allSettled([run, waiting]);
  assert.equal(await last, "last");
});

test("who comes with a signal that has fired does not begin", async () => {
  const slots = new Slots(1);
  const one = holder();
  await assert.rejects(slots.run(AbortSignal.abort(new Error("over")), one.run), /over/);
  assert.ok(!one.state.hasBegun);
});
