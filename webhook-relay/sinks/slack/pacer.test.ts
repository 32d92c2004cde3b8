import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock } from "../../../test/harness/manual-clock.ts";
import { Pacer, Pacers, takeTurn } from "./pacer.ts";
import { StormGate } from "./storm-gate.ts";

const SIGNAL = new AbortController().signal;

test("calls are an interval apart from the end of one to the beginning of the next", async () => {
  const clock = createManualClock();
  const pacer = new Pacer(clock, 1000);
  assert.equal(pacer.waitMs(), 1000, "a relay that was killed may have sent just now");
  const options = { clock, maxMs: 60_000, signal: SIGNAL };
  const begun: number[] = [];
  const callers = [0, 1, 2].map(async () => {
    assert.equal(await takeTurn([pacer], options), 0);
    begun.push(clock.monotonic());
    await clock.sleep(300, SIGNAL);
    pacer.end(1000);
  });
  await clock.advance(10_000);
  await Promise.all(callers);
  assert.equal(begun[0], 1000);
  assert.ok(
    begun.every((at, index) => index === 0 || at - (begun[index - 1] ?? 0) >= 1300),
    String(begun),
  );
});

test("who would wait too long is told how long, and takes nothing", async () => {
  const clock = createManualClock();
  const pacer = new Pacer(clock, 0);
  pacer.hold(30_000);
  assert.equal(await takeTurn([pacer], { clock, maxMs: 5000, signal: SIGNAL }), 30_000);
  await clock.advance(30_000);
  assert.equal(await takeTurn([pacer], { clock, maxMs: 5000, signal: SIGNAL }), 0);
  assert.equal(pacer.begin(), false, "it is taken");
  await assert.rejects(
    takeTurn([pacer], { clock, maxMs: 5000, signal: AbortSignal.abort(new Error("stop")) }),
    /stop/,
  );
});

test("whoever names the same channel gets the same pacer", () => {
  const pacers = new Pacers(createManualClock());
  assert.equal(pacers.of("a", 0), pacers.of("a", 1000));
  assert.notEqual(pacers.of("a", 0), pacers.of("b", 0));
});

test("ten new messages a minute, then a storm until it has been quiet", async () => {
  const clock = createManualClock();
  const gate = new StormGate({ clock, intervalMs: 1000, pause: 5, earlier: undefined });
  for (let sent = 0; sent < 10; sent += 1) {
    assert.ok(gate.mayOpen());
    gate.opened();
  }
  assert.equal(gate.mayOpen(), false);
  assert.equal(gate.overflowAfter, 10);
  const openedAt = gate.openedAt();
  gate.added({ openedAt, lastAt: clock.now() });
  assert.equal(gate.overflowAfter, 0);
  assert.equal(gate.waitMs(), 5000);
  await clock.advance(61_000);
  assert.equal(gate.waitMs(), 0);
  assert.equal(gate.mayOpen(), false, "the storm goes on");
  gate.added({ openedAt, lastAt: clock.now() });
  await clock.advance(299_000);
  assert.equal(gate.openedAt(), openedAt);
  await clock.advance(1000);
  assert.equal(gate.storm, undefined);
  assert.ok(gate.mayOpen());
  const next = new StormGate({
    clock,
    intervalMs: 1000,
    pause: 5,
    earlier: { openedAt, lastAt: clock.now() - 1000 },
  });
  assert.equal(next.mayOpen(), false, "a restart changes nothing");
});
