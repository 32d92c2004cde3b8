import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test, type TestContext } from "node:test";

import { Code } from "@connectrpc/connect";

import { silentLogger } from "../../lib/log.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { ImportCallError } from "../agents/import-driver.ts";
import { ATTEMPTS_MAX, PROGRESS_WRITE_INTERVAL_MS, RETRY_BASE_MS } from "../limits.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { FakeDriver, FakeQuestions, type FakeImport } from "../testing/fake-agents.ts";
import { CHANGES, DIGEST, PLAN } from "../testing/records.ts";
import { salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { Transfers } from "./transfers.ts";

const { detected, planned, started } = CHANGES;
const TRY_AGAIN = new ImportCallError({ code: Code.Unavailable, message: "connection refused" });
const BYTES = { bytesTotal: 1000, bytesTransferred: 100, bytesReused: 0 };

interface Case extends SalvageRig {
  readonly transfers: Transfers;
  readonly driver: FakeDriver;
  readonly questions: FakeQuestions;
  readonly term: AbortController;
  /** slots that were given back */
  readonly released: () => number;
  /** Starts a transfer and returns the import that the agent was asked for. */
  readonly start: (record: SalvageRecord) => FakeImport;
  /** Waits for the end of all, and gives the record's state. */
  readonly ended: (record: SalvageRecord) => Promise<SalvageRecord["status"]>;
}

async function setUp(t: TestContext): Promise<Case> {
  const rig = await salvageRig(t);
  const { clock, keeper, book } = rig;
  const driver = new FakeDriver();
  const questions = new FakeQuestions();
  const term = new AbortController();
  let released = 0;
  const transfers = new Transfers({
    driver,
    keeper,
    questions,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (milliseconds, signal) => clock.sleep(milliseconds, signal),
    random: () => 0.5,
    logger: silentLogger,
    again: () => undefined,
    signal: term.signal,
  });
  const sources = ["node-a", "node-c"];
  const task = { ...PLAN, sources, blobs: [], record: "shop/app", epoch: 1 };
  return {
    ...rig,
    transfers,
    driver,
    questions,
    term,
    released: () => released,
    start(record) {
      const slot = { targetNode: "node-b", sources, release: () => void (released += 1) };
      transfers.start(record, task, slot);
      const last = driver.imports.at(-1);
      assert.ok(last, "no import was asked for");
      return last;
    },
    async ended(record) {
      await transfers.settled();
      return book.get(`shop/${record.metadata.name}`)?.status ?? {};
    },
  };
}

test("an import that is visible completes the record and gives its place back", async (t) => {
  const { record, start, ended, released, transfers, questions } = await setUp(t);
  const running = await record(detected, planned, started);
  const job = start(running);
  assert.ok(transfers.isRunning(`shop/${running.metadata.name}`));
  job.succeed();
  const { phase, reason, bytesTransferred } = await ended(running);
  assert.deepEqual([phase, reason, bytesTransferred], ["Completed", "Salvaged", 750]);
  assert.equal(released(), 1);
  assert.ok(!transfers.isRunning(`shop/${running.metadata.name}`));
  assert.deepEqual(questions.forgotten, ["node-b"], "what the target said before is out of date");
});

test("an import that the kubelet would not see has failed, and says why", async (t) => {
  const { record, start, ended } = await setUp(t);
  const running = await record(detected, planned, started);
  start(running).succeed({ visible: false, message: "the kubelet lists another digest" });
  const { phase, reason, message } = await ended(running);
  assert.deepEqual([phase, reason, message], ["Failed", "NotVisible", "the kubelet lists another digest"]);
});

test("a result that the API server takes for invalid ends the record, without what made it invalid", async (t) => {
  const { record, start, ended, released, driver } = await setUp(t);
  const running = await record(detected, planned, started);
  start(running).succeed({ configDigest: "" });
  const { phase, reason, message, configDigest } = await ended(running);
  assert.deepEqual([phase, reason, configDigest], ["Failed", "RecordInvalid", undefined]);
  assert.match(message ?? "", /^the API server refuses "salvaged" as invalid: .*422.*configDigest/);
  assert.equal(released(), 1);
  assert.equal(driver.imports.length, 1);
});

test("a transient failure is tried again after a pause that grows", async (t) => {
  const { record, start, ended, transfers, clock } = await setUp(t);
  const running = await record(detected, planned, started);
  const key = `shop/${running.metadata.name}`;
  start(running).fail(TRY_AGAIN);
  const { phase, reason } = await ended(running);
  assert.deepEqual([phase, reason], ["Transferring", "Retrying"]);
  assert.equal(transfers.pauseOf(key), RETRY_BASE_MS);
  await clock.advance(RETRY_BASE_MS);
  assert.equal(transfers.pauseOf(key), 0);
  start(running).fail(TRY_AGAIN);
  await ended(running);
  assert.equal(transfers.pauseOf(key), 2 * RETRY_BASE_MS);
});

test("failures without a byte in between are enough in the end", async (t) => {
  const { record, start, ended } = await setUp(t);
  const running = await record(detected, planned, started);
  for (let failures = 1; failures < ATTEMPTS_MAX; failures += 1) {
    start(running).fail(TRY_AGAIN);
    assert.equal((await ended(running)).phase, "Transferring", `after ${failures} failures`);
  }
  start(running).fail(TRY_AGAIN);
  const { phase, reason } = await ended(running);
  assert.deepEqual([phase, reason], ["Failed", "AttemptsExhausted"]);
});

test("bytes that arrive begin the count of failures anew", async (t) => {
  const { record, start, ended, transfers } = await setUp(t);
  const running = await record(detected, planned, started);
  const key = `shop/${running.metadata.name}`;
  for (let failures = 0; failures < 3; failures += 1) {
    start(running).fail(TRY_AGAIN);
    await ended(running);
  }
  assert.equal(transfers.pauseOf(key), 4 * RETRY_BASE_MS);
  const job = start(running);
  job.progress(BYTES);
  job.progress({ ...BYTES, bytesTransferred: 101 });
  job.fail(TRY_AGAIN);
  await ended(running);
  assert.equal(transfers.pauseOf(key), RETRY_BASE_MS);
});

test("a source that failed is left out for the next attempt, one without the content for good", async (t) => {
  const { record, start, ended, transfers } = await setUp(t);
  const running = await record(detected, planned, started);
  const key = `shop/${running.metadata.name}`;
  const failure = (retryable: boolean, node: string): ImportCallError =>
    new ImportCallError({
      code: Code.NotFound,
      message: "gone",
      detail: { retryable, sources: [{ node, message: `${node} failed` }] },
    });
  start(running).fail(failure(false, "node-a"));
  await ended(running);
  start(running).fail(failure(true, "node-c"));
  await ended(running);
  assert.deepEqual([...transfers.excluded(key, "for now").keys()].sort(), ["node-a", "node-c"]);
  assert.deepEqual([...transfers.excluded(key, "for good")], [["node-a", "node-a failed"]]);
  start(running).fail(TRY_AGAIN);
  await ended(running);
  assert.deepEqual([...transfers.excluded(key, "for now").keys()], ["node-a"]);
  transfers.forget(key);
  assert.equal(transfers.excluded(key, "for now").size, 0);
  assert.equal(transfers.pauseOf(key), 0);
});

test("a permanent failure ends the record in the agent's words", async (t) => {
  const { record, start, ended } = await setUp(t);
  const running = await record(detected, planned, started);
  start(running).fail(new ImportCallError({ code: Code.InvalidArgument, message: "the digest is wrong" }));
  const { phase, reason, message } = await ended(running);
  assert.deepEqual([phase, reason, message], ["Failed", "TransferFailed", "the digest is wrong"]);
});

test("one that is stopped is cancelled at the agent and ends with the reason, the first that was given", async (t) => {
  const { record, start, ended, transfers, driver, released } = await setUp(t);
  const running = await record(detected, planned, started);
  const key = `shop/${running.metadata.name}`;
  start(running);
  transfers.stop(key, "OptedOut", "the namespace has opted out");
  transfers.stop(key, "TargetGone", "too late");
  const { phase, reason, message } = await ended(running);
  assert.deepEqual([phase, reason, message], ["Failed", "OptedOut", "the namespace has opted out"]);
  assert.deepEqual(driver.cancelled, [DIGEST]);
  assert.equal(released(), 1);
});

test("the end of a term writes nothing and leaves the import to the next leader", async (t) => {
  const { record, start, ended, term, driver, released } = await setUp(t);
  const running = await record(detected, planned, started);
  start(running);
  term.abort(new Error("the lease is lost"));
  assert.deepEqual(await ended(running), running.status);
  assert.deepEqual(driver.cancelled, []);
  assert.equal(released(), 1);
});

test("progress is written now and then, and not when it says the same again", async (t) => {
  const { record, start, ended, server, clock, book } = await setUp(t);
  const running = await record(detected, planned, started);
  const key = `shop/${running.metadata.name}`;
  const before = server.requests.length;
  const job = start(running);
  job.progress(BYTES);
  await setImmediate();
  assert.equal(server.requests.length, before, "written less than two seconds after the last");
  await clock.advance(PROGRESS_WRITE_INTERVAL_MS);
  job.progress({ ...BYTES, bytesTransferred: 200 });
  job.progress({ ...BYTES, bytesTransferred: 300 });
  await waitFor("progress in the record", () => book.get(key)?.status.bytesTransferred === 200);
  await clock.advance(PROGRESS_WRITE_INTERVAL_MS);
  await setImmediate();
  job.progress({ ...BYTES, bytesTransferred: 200 });
  job.succeed();
  await ended(running);
  assert.equal(server.requests.length, before + 2, "one for the progress, one for the end");
});

test("an attempt that says again and again what an earlier one has brought does not get on", async (t) => {
  const { record, start, ended, server, clock, book } = await setUp(t);
  const moved = { type: "progress", bytesTotal: 1000, bytesTransferred: 400, bytesReused: 0 } as const;
  const running = await record(detected, planned, started, moved);
  const key = `shop/${running.metadata.name}`;
  const before = server.requests.length;
  const job = start(running);
  const again = { bytesTotal: 1000, bytesTransferred: 0, bytesReused: 400 };
  for (let times = 0; times < 4; times += 1) {
    await clock.advance(PROGRESS_WRITE_INTERVAL_MS);
    job.progress(again);
    await waitFor("what is there to be known", () => book.get(key)?.status.bytesReused === 400);
  }
  assert.equal(server.requests.length, before + 1);
  job.succeed();
  await ended(running);
});

test("an end that cannot be written for a while is written later, without another import", async (t) => {
  const { record, start, ended, server, driver, clock, transfers } = await setUp(t);
  const running = await record(detected, planned, started);
  server.faults.add({ kind: "status", status: 500, verb: "update", resource: "salvagerecords", times: 3 });
  start(running).succeed();
  await waitFor("the end of the transfer", async () => {
    await clock.advance(RETRY_BASE_MS);
    return !transfers.isRunning(`shop/${running.metadata.name}`);
  });
  const { phase, bytesTransferred, attempts } = await ended(running);
  assert.deepEqual([phase, bytesTransferred, attempts], ["Completed", 750, 1]);
  assert.equal(driver.imports.length, 1);
});

test("a transfer whose end cannot be written gives its place back all the same", async (t) => {
  const { record, start, ended, server, released } = await setUp(t);
  const running = await record(detected, planned, started);
  server.faults.add({ kind: "status", status: 403, verb: "update", resource: "salvagerecords" });
  start(running).succeed();
  assert.equal((await ended(running)).phase, "Transferring");
  assert.equal(released(), 1);
});
