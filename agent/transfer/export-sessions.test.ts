import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { EXPORT_IDLE_MS, RESUME_TTL_MS } from "../limits.ts";
import { ExportSessions } from "./export-sessions.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";

const IMAGE = "sha256:aa";
const LAYER = "sha256:bb";
const never = new AbortController().signal;

function rig() {
  const clock = createManualClock();
  const leases = new MemoryLeases(() => clock.now());
  const sessions = new ExportSessions({ containerd: { leases }, logger: silentLogger, clock });
  return { clock, leases, sessions };
}

/** Asserts that there is one lease, and answers what it holds. */
function onlyLease(leases: MemoryLeases): readonly string[] {
  assert.equal(leases.held.size, 1, `${leases.held.size} leases`);
  return [...leases.held.values()].flatMap(({ resources }) => resources.map(({ id }) => id)).sort();
}

test("the image and the blob are kept while a stream runs, and until a minute after the last", async () => {
  const { clock, leases, sessions } = rig();
  const close = await sessions.open("grant", IMAGE, LAYER, never);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  await clock.advance(10 * EXPORT_IDLE_MS);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  close();
  await clock.advance(EXPORT_IDLE_MS - 1);
  assert.equal(leases.held.size, 1);
  assert.equal(sessions.has("grant"), true);
  await clock.advance(1);
  assert.equal(leases.held.size, 0);
  assert.equal(sessions.has("grant"), false);
});

test("the lease expires by itself should the agent not come back", async () => {
  const { clock, leases, sessions } = rig();
  await sessions.open("grant", IMAGE, LAYER, never);
  const [lease] = leases.held.values();
  const expires = Date.parse(lease?.labels["containerd.io/gc.expire"] ?? "");
  assert.equal(expires, clock.now() + RESUME_TTL_MS);
});

test("a stream within the minute keeps the lease, and the minute starts anew", async () => {
  const { clock, leases, sessions } = rig();
  (await sessions.open("grant", IMAGE, IMAGE, never))();
  await clock.advance(EXPORT_IDLE_MS - 1);
  const close = await sessions.open("grant", IMAGE, LAYER, never);
  await clock.advance(EXPORT_IDLE_MS);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  close();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 0);
});

test("streams of one grant share a lease, which stays until the last of them has ended", async () => {
  const { clock, leases, sessions } = rig();
  const [first, second] = await Promise.all([
    sessions.open("grant", IMAGE, IMAGE, never),
    sessions.open("grant", IMAGE, LAYER, never),
  ]);
  assert.equal(sessions.streams, 2);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  first();
  first();
  assert.equal(sessions.streams, 1, "a stream counts out once");
  await clock.advance(2 * EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 1);
  second();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 0);
});

test("what the labels of a kept blob refer to is kept with it, and not put into the lease again", async () => {
  const { leases, sessions } = rig();
  const reference = (child: string) => ({ "containerd.io/gc.ref.content.l.0": child });
  await sessions.open("grant", IMAGE, IMAGE, never);
  sessions.learn("grant", { digest: "sha256:other", labels: reference("sha256:dd") });
  sessions.learn("other grant", { digest: IMAGE, labels: reference("sha256:dd") });
  const others = { "containerd.io/uncompressed": "sha256:ee", "containerd.io/gc.ref.contents": "sha256:ff" };
  sessions.learn("grant", { digest: IMAGE, labels: { ...reference(LAYER), ...others } });
  await sessions.open("grant", IMAGE, LAYER, never);
  assert.deepEqual(onlyLease(leases), [IMAGE]);
  sessions.learn("grant", { digest: LAYER, labels: { "containerd.io/gc.ref.content": "sha256:cc" } });
  for (const digest of ["sha256:cc", "sha256:dd", "sha256:ee", "sha256:ff"]) {
    await sessions.open("grant", IMAGE, digest, never);
  }
  assert.deepEqual(onlyLease(leases), [IMAGE, "sha256:dd", "sha256:ee", "sha256:ff"]);
});

test("grants do not share a lease", async () => {
  const { clock, leases, sessions } = rig();
  const close = await sessions.open("one", IMAGE, IMAGE, never);
  await sessions.open("other", IMAGE, IMAGE, never);
  assert.equal(leases.held.size, 2);
  close();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 1);
  assert.equal(sessions.has("other"), true);
});

test("no lease expires in use: past half of its life a new one takes over, and the old one goes with its streams", async () => {
  const { clock, leases, sessions } = rig();
  const long = await sessions.open("grant", IMAGE, IMAGE, never);
  await clock.advance(RESUME_TTL_MS / 2);
  const late = await sessions.open("grant", IMAGE, LAYER, never);
  assert.equal(leases.held.size, 2);
  long();
  await clock.advance(EXPORT_IDLE_MS);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  assert.equal(sessions.has("grant"), true);
  late();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 0);
});

test("a lease that cannot be made is told, and the next stream tries anew", async () => {
  const { clock, leases, sessions } = rig();
  leases.failure = new ConnectError("containerd is away", Code.Unavailable);
  await assert.rejects(sessions.open("grant", IMAGE, LAYER, never), /containerd is away/);
  assert.equal(sessions.streams, 0);
  assert.equal(sessions.has("grant"), false);
  leases.failure = undefined;
  const close = await sessions.open("grant", IMAGE, LAYER, never);
  await clock.advance(2 * EXPORT_IDLE_MS);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
  close();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(leases.held.size, 0);
});

test("a reader that leaves while its stream opens does not end the session of the others", async () => {
  const { leases, sessions } = rig();
  await sessions.open("grant", IMAGE, IMAGE, never);
  const leaving = new AbortController();
  leaving.abort();
  leases.failure = new ConnectError("canceled", Code.Canceled);
  await assert.rejects(sessions.open("grant", IMAGE, LAYER, leaving.signal), /canceled/);
  assert.equal(sessions.has("grant"), true);
  assert.equal(sessions.streams, 1);
});

test("at the end of the agent every lease goes, streams or not", async () => {
  const { clock, leases, sessions } = rig();
  await sessions.open("runs", IMAGE, IMAGE, never);
  (await sessions.open("idle", IMAGE, IMAGE, never))();
  const old = await sessions.open("old", IMAGE, IMAGE, never);
  await clock.advance(RESUME_TTL_MS / 2);
  await sessions.open("old", IMAGE, IMAGE, never);
  await sessions.close(never);
  assert.equal(leases.held.size, 0);
  old();
  await clock.advance(EXPORT_IDLE_MS);
  assert.equal(clock.sleepers, 0);
});

test("what an agent before this one left goes, leases of others stay", async () => {
  const { clock, leases, sessions } = rig();
  await leases.create({ id: "tote-export-1" });
  await leases.create({ id: "tote-import-1" });
  await leases.create({ id: "somebody" });
  await clock.advance(1);
  await sessions.removeStale(clock.now(), never);
  assert.deepEqual([...leases.held.keys()], ["tote-import-1", "somebody"]);
});

test("exports that began before the old leases could be looked at keep theirs, whatever the clock says", async () => {
  const { clock, leases, sessions } = rig();
  await leases.create({ id: "tote-export-old" });
  await clock.advance(1);
  const startedAt = clock.now();
  // of this agent too, but not in its books: it may go only when its time does
  await leases.create({ id: "tote-export-new" });
  await sessions.open("grant", IMAGE, IMAGE, never);
  await sessions.removeStale(startedAt, never);
  assert.equal(leases.held.size, 2);
  assert.equal(leases.held.has("tote-export-old"), false);
  await sessions.removeStale(startedAt + 1, never);
  await sessions.open("grant", IMAGE, LAYER, never);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
});

test("a lease that somebody took away is no missing blob: the stream is to be tried again, under a new lease", async () => {
  const { leases, sessions } = rig();
  await sessions.open("grant", IMAGE, IMAGE, never);
  leases.held.clear();
  await assert.rejects(
    sessions.open("grant", IMAGE, LAYER, never),
    (error) =>
      error instanceof ConnectError &&
      error.code === Code.Unavailable &&
      /lease tote-export-\S+ /.test(error.message),
  );
  assert.equal(sessions.has("grant"), false);
  await sessions.open("grant", IMAGE, LAYER, never);
  assert.deepEqual(onlyLease(leases), [IMAGE, LAYER]);
});
