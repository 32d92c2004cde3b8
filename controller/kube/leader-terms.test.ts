import assert from "node:assert/strict";
import { test } from "node:test";

import { asJson } from "../../test/harness/apiserver/json.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { NotLeadingError } from "./leader-term.ts";

import { KEY, startElectors } from "../testing/elector-rig.ts";

test("a leader that cannot renew stops leading before another may begin", async (t) => {
  const { server, candidate, until, clock } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  const two = await candidate("two");
  await until("the other to know", () => two.elector.holder === "one", 100);
  server.faults.add({ kind: "status", status: 500, user: "one" });
  const since = clock.monotonic();
  await until("the end of the term", () => one.running === 0, 100);
  const ended = clock.monotonic() - since;
  assert.ok(ended >= 7_500 && ended <= 10_500, `ended after ${ended} ms`);
  assert.equal(two.running, 0);
  assert.ok(one.terms[0]?.signal.reason instanceof NotLeadingError);
  await until("the next leader", () => two.running === 1, 100);
  const began = clock.monotonic() - since;
  assert.ok(began >= 12_500 && began <= 20_000, `began after ${began} ms`);
  assert.equal(two.terms[0]?.epoch, (one.terms[0]?.epoch ?? 0) + 1);
  server.faults.clear();
  await two.stop();
  await until("the first one again", () => one.running === 1, 100);
  assert.equal(one.terms[1]?.epoch, (one.terms[0]?.epoch ?? 0) + 2);
});

test("a process that was stopped for 40 s does not lead any more when it goes on, whatever comes first", async (t) => {
  const { candidate, until } = await startElectors(t);
  // the clock of a process that stands still: its timers fire late, its monotonic time goes on
  const own = createManualClock();
  let ahead = 0;
  const stopped: ManualClock = {
    ...own,
    monotonic: () => own.monotonic() + ahead,
    advance: (ms) => own.advance(ms),
    sleepers: 0,
  };
  const one = await candidate("one", stopped);
  await until("a leader", () => one.running === 1);
  const [term] = one.terms;
  assert.ok(term);
  term.assertLeading();
  const two = await candidate("two");
  await until("the next leader", () => two.running === 1, 500);
  ahead = 40_000;
  // no timer of the old leader has fired yet
  assert.equal(term.signal.aborted, false);
  assert.throws(() => term.assertLeading(), NotLeadingError);
  assert.equal(term.signal.aborted, true);
  await until("the end of its work", () => one.running === 0);
  assert.ok((two.terms[0]?.epoch ?? 0) > term.epoch);
});

test("expiry is measured by the own clock: times in the lease mean nothing", async (t) => {
  const { server, candidate, until, clock } = await startElectors(t);
  server.put({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "tote-controller", namespace: "tote" },
    spec: {
      holderIdentity: "other",
      leaseDurationSeconds: 15,
      acquireTime: "1999-01-01T00:00:00.000000Z",
      renewTime: "1999-01-01T00:00:00.000000Z",
      leaseTransitions: 41,
    },
  });
  const one = await candidate("one");
  await until("a first look", () => one.elector.holder === "other");
  await clock.advance(14_000);
  assert.equal(one.running, 0);
  await until("a leader", () => one.running === 1, 500);
  assert.equal(one.terms[0]?.epoch, 42);
});

test("a lease that its holder set for longer is left alone for longer", async (t) => {
  const { server, candidate, until, clock } = await startElectors(t);
  server.put({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "tote-controller", namespace: "tote" },
    spec: { holderIdentity: "other", leaseDurationSeconds: 60, leaseTransitions: 1 },
  });
  const one = await candidate("one");
  await until("a first look", () => one.elector.holder === "other");
  const since = clock.monotonic();
  await until("a leader", () => one.running === 1, 1000);
  assert.ok(clock.monotonic() - since >= 58_000);
});

test("whoever changes a label of the lease does not end a term", async (t) => {
  const { server, candidate, spec, until } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  const lease = server.get("leases", KEY);
  assert.ok(lease);
  server.put({ ...lease, metadata: { ...lease.metadata, labels: { a: "b" } } });
  const before = spec()["renewTime"];
  await until("a renewal", () => spec()["renewTime"] !== before, 500);
  assert.equal(one.running, 1);
  assert.deepEqual(server.get("leases", KEY)?.metadata.labels, { a: "b" });
});

test("a renewal whose answer got lost is no reason to stop", async (t) => {
  const { server, candidate, spec, until } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  server.faults.add({ kind: "lost", verb: "update", times: 1 });
  for (let n = 0; n < 3; n += 1) {
    const before = spec()["renewTime"];
    await until("a renewal", () => spec()["renewTime"] !== before, 500);
  }
  assert.deepEqual([one.running, one.terms.length], [1, 1]);
});

test("a lease that is deleted or taken by force ends the term, and the next one has a larger number", async (t) => {
  const { server, candidate, until } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  server.delete("leases", KEY);
  await until("the next term", () => one.terms.length === 2 && one.running === 1, 5_000);
  assert.ok((one.terms[1]?.epoch ?? 0) > (one.terms[0]?.epoch ?? Infinity));
  const lease = server.get("leases", KEY);
  assert.ok(lease);
  const spec = { ...asJson(lease["spec"]), holderIdentity: "thief", leaseTransitions: 999_999_999 };
  server.put({ ...lease, spec });
  await until("the end of the term", () => one.running === 0, 500);
  assert.equal(one.elector.holder, "thief");
  assert.deepEqual(asJson(server.get("leases", KEY)?.["spec"])["holderIdentity"], "thief");
  await until("the third term", () => one.running === 1, 1000);
  assert.equal(one.terms[2]?.epoch, 1_000_000_000);
});

test("a new lease begins with a number larger than those that agents may have seen of the old one", async (t) => {
  const { server, candidate, until, clock } = await startElectors(t);
  const one = await candidate("one");
  await until("a leader", () => one.running === 1);
  await one.stop();
  server.delete("leases", KEY);
  await clock.advance(2000);
  const two = await candidate("two");
  await until("the next leader", () => two.running === 1, 100);
  assert.ok((two.terms[0]?.epoch ?? 0) > (one.terms[0]?.epoch ?? Infinity));
});

test("a failure of the work comes out of the elector, and the lease is given back", async (t) => {
  const { elector: makeElector, spec } = await startElectors(t);
  const elector = await makeElector("one");
  const running = elector.run(() => Promise.reject(new Error("bug")), new AbortController().signal);
  await assert.rejects(running, { message: "bug" });
  assert.equal(spec()["holderIdentity"], "");
  assert.equal(elector.term, undefined);
});
