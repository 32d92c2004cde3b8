import assert from "node:assert/strict";
import { test } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { asText } from "../../test/harness/apiserver/json.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { roundTrips } from "../../test/harness/round-trips.ts";
import { LeaderElector } from "./leader-elector.ts";
import { isMicroTime } from "./micro-time.ts";

import { startElectors } from "../testing/elector-rig.ts";

test("the first candidate creates the lease and leads, with times as the API server wants them", async (t) => {
  const { candidate, spec, until, server } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  const { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions } = spec();
  assert.equal(holderIdentity, "one");
  assert.equal(leaseDurationSeconds, 15);
  assert.ok(isMicroTime(asText(acquireTime)) && isMicroTime(asText(renewTime)));
  assert.equal(one.terms[0]?.epoch, leaseTransitions);
  assert.equal(one.elector.term, one.terms[0]);
  assert.equal(one.elector.holder, "one");
  assert.deepEqual(
    server.requests.filter(({ resource }) => resource === "leases").map(({ verb }) => verb),
    ["get", "create"],
  );
});

test("the leader renews every 2 s and nobody else takes the lease meanwhile", async (t) => {
  const { candidate, spec, until, clock } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  const two = await candidate("two");
  const acquired = spec()["acquireTime"];
  for (let n = 0; n < 30; n += 1) {
    const before = spec()["renewTime"];
    await until("a renewal", () => spec()["renewTime"] !== before, 500);
  }
  assert.ok(clock.monotonic() >= 58_000 && clock.monotonic() <= 90_000, `${clock.monotonic()} ms`);
  assert.equal(spec()["acquireTime"], acquired);
  assert.equal(spec()["leaseTransitions"], one.terms[0]?.epoch);
  assert.deepEqual([one.running, two.running, two.terms.length], [1, 0, 0]);
  assert.equal(two.elector.holder, "one");
});

test("two candidates at the same time: one leads", async (t) => {
  const { candidate, until, clock, server } = await startElectors(t);
  const all = await Promise.all(["a", "b", "c", "d"].map((name) => candidate(name)));
  await until("a leader", () => all.some(({ running }) => running === 1), 100);
  for (let n = 0; n < 30; n += 1) {
    await clock.advance(500);
    await roundTrips(server);
    assert.equal(
      all.reduce((sum, { running }) => sum + running, 0),
      1,
    );
  }
});

test("a leader that is stopped gives the lease back once its work has ended, and the next need not wait", async (t) => {
  const { candidate, spec, until, clock } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  const two = await candidate("two");
  const first = one.terms[0]?.epoch ?? 0;
  await one.stop();
  assert.equal(one.running, 0);
  assert.equal(spec()["holderIdentity"], "");
  assert.equal(spec()["leaseDurationSeconds"], 1);
  assert.equal(spec()["leaseTransitions"], first);
  assert.throws(() => one.terms[0]?.assertLeading(), /shutdown/);
  const since = clock.monotonic();
  await until("the next leader", () => two.running === 1, 100);
  assert.ok(clock.monotonic() - since <= 5000);
  assert.equal(two.terms[0]?.epoch, first + 1);
});

test("while work winds up after a shutdown the lease is still renewed", async (t) => {
  const { elector: makeElector, spec, until } = await startElectors(t);
  const elector = await makeElector("one");
  const stop = new AbortController();
  const work = Promise.withResolvers<void>();
  const running = elector.run(() => work.promise, stop.signal);
  await until("a leader", () => elector.term !== undefined);
  stop.abort(new Error("shutdown"));
  for (let n = 0; n < 12; n += 1) {
    const before = spec()["renewTime"];
    await until("a renewal", () => spec()["renewTime"] !== before, 500);
  }
  assert.equal(spec()["holderIdentity"], "one");
  work.resolve();
  await running;
  assert.equal(spec()["holderIdentity"], "");
});

test("durations that cannot work are refused", async (t) => {
  const { server, cleanup, clock } = await startElectors(t);
  const { api } = await kubeClient({ server, cleanup, clock });
  const options = {
    api,
    namespace: "tote",
    name: "x",
    identity: "one",
    clock,
    random: () => 0,
    logger: silentLogger,
  };
  assert.throws(
    () => new LeaderElector({ ...options, leaseDurationMs: 10_000 }),
    /must exceed the renew deadline 10000 ms/,
  );
  assert.throws(
    () => new LeaderElector({ ...options, retryPeriodMs: 9_000 }),
    /1.2 x the retry period 9000 ms/,
  );
});
