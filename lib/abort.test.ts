import assert from "node:assert/strict";
import { test } from "node:test";

import { orAbort } from "./abort.ts";

test("a settled promise wins over a signal that never fires", async () => {
  const { signal } = new AbortController();
  assert.equal(await orAbort(Promise.resolve(7), signal), 7);
  await assert.rejects(orAbort(Promise.reject(new Error("no")), signal), /no/);
});

test("a signal that fires ends the wait with its reason, and so does one that fired before", async () => {
  const stop = new AbortController();
  const waiting = orAbort(Promise.withResolvers<never>().promise, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(orAbort(Promise.resolve(1), stop.signal), /enough/);
});
