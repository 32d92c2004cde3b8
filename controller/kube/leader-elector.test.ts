import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { asJson, asText } from "../../test/harness/apiserver/json.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup, type Cleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { roundTrips } from "../../test/harness/round-trips.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { LeaderElector } from "./leader-elector.ts";
import { NotLeadingError, type LeaderTerm } from "./leader-term.ts";
import { isMicroTime } from "./micro-time.ts";

const KEY = "tote/tote-controller";

interface Candidate {
  readonly elector: LeaderElector;
  /** terms that were begun, with how many of them run now */
  readonly terms: LeaderTerm[];
  running: number;
  /** ends the process in order */
  readonly stop: () => Promise<void>;
}

interface Rig {
  readonly server: ApiServer;
  readonly cleanup: Cleanup;
  readonly clock: ManualClock;
  readonly candidate: (identity: string, clock?: ManualClock) => Promise<Candidate>;
  readonly spec: () => Record<string, unknown>;
  /** Lets time pass in steps until something is so. */
  readonly until: (what: string, check: () => boolean, stepMs?: number) => Promise<void>;
}

async function startRig(t: TestContext): Promise<Rig> {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "tote" } });
  const clock = createManualClock(Date.parse("2024-05-01T10:00:00Z"));
  return {
    server,
    cleanup,
    clock,
    async candidate(identity, own = clock) {
      server.addUser({ name: identity, isAdmin: true });
      const { api } = await kubeClient({ server, cleanup, clock: own, user: identity });
      const elector = new LeaderElector({
        api,
        namespace: "tote",
        name: "tote-controller",
        identity,
        clock: own,
        random: () => 0,
        logger: silentLogger,
      });
      const stop = new AbortController();
      const candidate: Candidate = {
        elector,
        terms: [],
        running: 0,
        stop: async () => {
          stop.abort(new Error("shutdown"));
          await run;
        },
      };
      const run = elector.run(async (term) => {
        candidate.terms.push(term);
        candidate.running += 1;
        await aborted(term.signal);
        candidate.running -= 1;
      }, stop.signal);
      cleanup.add({ name: `stop ${identity}`, undo: candidate.stop });
      return candidate;
    },
    spec: () => asJson(server.get("leases", KEY)?.["spec"]),
    until: (what, check, stepMs = 0) =>
      waitFor(
        what,
        async () => {
          if (check()) return true;
          await clock.advance(stepMs);
          await roundTrips(server);
          return check();
        },
        { intervalMs: 5 },
      ).then(() => undefined),
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

test("the first candidate creates the lease and leads, with times as the API server wants them", async (t) => {
  const { candidate, spec, until, server } = await startRig(t);
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
  const { candidate, spec, until, clock } = await startRig(t);
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
  const { candidate, until, clock, server } = await startRig(t);
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
  const { candidate, spec, until, clock } = await startRig(t);
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
  const { server, cleanup, clock, spec, until } = await startRig(t);
  const { api } = await kubeClient({ server, cleanup, clock });
  const options = {
    api,
    namespace: "tote",
    name: "tote-controller",
    identity: "one",
    clock,
    random: () => 0,
  };
  const elector = new LeaderElector({ ...options, logger: silentLogger });
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

test("a leader that cannot renew stops leading before another may begin", async (t) => {
  const { server, candidate, until, clock } = await startRig(t);
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
  const { candidate, until } = await startRig(t);
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
  const { server, candidate, until, clock } = await startRig(t);
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
  const { server, candidate, until, clock } = await startRig(t);
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
  const { server, candidate, spec, until } = await startRig(t);
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
  const { server, candidate, spec, until } = await startRig(t);
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
  const { server, candidate, until } = await startRig(t);
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
  const { server, candidate, until, clock } = await startRig(t);
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
  const { server, cleanup, clock, spec } = await startRig(t);
  const { api } = await kubeClient({ server, cleanup, clock });
  const options = {
    api,
    namespace: "tote",
    name: "tote-controller",
    identity: "one",
    clock,
    random: () => 0,
  };
  const elector = new LeaderElector({ ...options, logger: silentLogger });
  const running = elector.run(() => Promise.reject(new Error("bug")), new AbortController().signal);
  await assert.rejects(running, { message: "bug" });
  assert.equal(spec()["holderIdentity"], "");
  assert.equal(elector.term, undefined);
});

test("durations that cannot work are refused", async (t) => {
  const { server, cleanup, clock } = await startRig(t);
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
