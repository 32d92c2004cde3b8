import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Readiness } from "./readiness.ts";

describe("readiness", () => {
  it("begins as not ready, with the reason", () => {
    assert.deepEqual(new Readiness("starting").state, { ready: false, reason: "starting" });
  });

  it("has no reason when ready", () => {
    const readiness = new Readiness("starting");
    readiness.setReady();
    assert.deepEqual(readiness.state, { ready: true, reason: "" });
  });

  it("gives a watcher the state now, then each change, the latest only if it is slow", async () => {
    const readiness = new Readiness("starting");
    const watch = readiness.watch(new AbortController().signal);
    assert.deepEqual((await watch.next()).value, { ready: false, reason: "starting" });
    readiness.setReady();
    readiness.setNotReady("one");
    readiness.setNotReady("two");
    assert.deepEqual((await watch.next()).value, { ready: false, reason: "two" });
    const pending = watch.next();
    readiness.setReady();
    assert.deepEqual((await pending).value, { ready: true, reason: "" });
    await watch.return();
    assert.equal(readiness.watchers, 0);
  });

  it("does not wake watchers when nothing changes", async () => {
    const readiness = new Readiness("starting");
    const watch = readiness.watch(new AbortController().signal);
    await watch.next();
    let woken = false;
    const pending = watch.next().then(() => (woken = true));
    readiness.setNotReady("starting");
    await new Promise(setImmediate);
    assert.equal(woken, false);
    readiness.setReady();
    await pending;
  });

  it("ends watches when their signal aborts, also one that began after it", async () => {
    const readiness = new Readiness("starting");
    const stop = new AbortController();
    const watch = readiness.watch(stop.signal);
    await watch.next();
    const pending = watch.next();
    stop.abort();
    assert.equal((await pending).done, true);
    assert.equal((await readiness.watch(stop.signal).next()).done, true);
    assert.equal(readiness.watchers, 0);
  });
});
