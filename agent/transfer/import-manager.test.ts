import assert from "node:assert/strict";
import { test } from "node:test";

import { Code } from "@connectrpc/connect";

import { silentLogger } from "../../lib/log.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { wantedNames } from "../image/names.ts";
import type { ImageTree } from "../image/tree.ts";
import { MAX_IMPORTS } from "../limits.ts";
import type { TransferContext } from "./image-importer.ts";
import { ImportError } from "./import-error.ts";
import type { ImportOrder } from "./import-job.ts";
import { ImportLeases } from "./import-leases.ts";
import { ImportFailedError, ImportManager, type ImportEvent } from "./import-manager.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";

const GRACE_MS = 120_000;
const digestNumber = (number: number): string => `sha256:${number.toString(16).padStart(64, "0")}`;
const DIGEST = digestNumber(1);
const layer = { mediaType: "layer", digest: digestNumber(90), size: 1000, diffId: "", chainId: "" };
const manifest = { mediaType: "manifest", digest: DIGEST, size: 10 };
const config = { mediaType: "config", digest: digestNumber(91), size: 20 };
const TREE: ImageTree = { target: manifest, indexes: [], manifest, config, layers: [layer] };

function order(changes: Partial<ImportOrder> = {}): ImportOrder {
  const { digest = DIGEST } = changes;
  return {
    digest,
    names: wantedNames(["registry.test/app:v1"], digest),
    sources: [],
    exportGrant: "grant",
    maxBytes: 0,
    ...changes,
  };
}

/** A manager whose transfers end when the test says so. */
function rig() {
  const clock = createManualClock();
  const memory = new MemoryLeases(() => clock.now());
  const ends: string[] = [];
  const recorded: (readonly string[])[] = [];
  /** transfers that run, by digest */
  const transfers = new Map<string, { readonly context: TransferContext; readonly finish: () => void }>();
  /** awaited before CRI answers */
  let verification: Promise<void> = Promise.resolve();
  const containerd = { leases: memory, snapshots: { remove: async () => {} }, waitReady: async () => {} };
  const manager = new ImportManager({
    containerd,
    importer: {
      async transfer(_facts, context) {
        context.progress.begin(TREE);
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        transfers.set(context.digest, { context, finish: resolve });
        context.signal.addEventListener("abort", () => reject(context.signal.reason));
        await promise;
        return TREE;
      },
    },
    recorder: {
      async checkTags(names) {
        if (names.tags.includes("registry.test/taken:v1")) {
          throw new ImportError(Code.FailedPrecondition, "taken exists", { retryable: false });
        }
      },
      async record(names) {
        recorded.push(names.tags);
        return names.tags;
      },
      async invisible() {
        await verification;
        return undefined;
      },
    },
    leases: new ImportLeases({ containerd, clock }),
    openBlob: () => ({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
    }),
    readFacts: async () => ({
      platform: { os: "linux", architecture: "amd64", variant: "" },
      snapshotter: "overlayfs",
      keepsLayers: true,
      letsLayersGo: false,
    }),
    logger: silentLogger,
    clock,
    orphanGraceMs: GRACE_MS,
    onEnd: (result) => ends.push(result),
  });

  /** A caller, who may leave. Its answer is the last event, or what it was refused with. */
  async function call(changes: Partial<ImportOrder> = {}) {
    const caller = new AbortController();
    let last: ImportEvent | undefined;
    const answer = (async () => {
      try {
        for await (const event of manager.import(order(changes), caller.signal)) last = event;
        return last;
      } catch (error) {
        return error;
      }
    })();
    await clock.advance(0);
    return { answer, leave: () => caller.abort(new Error("the caller is gone")) };
  }
  const finish = async (digest = DIGEST): Promise<void> => {
    transfers.get(digest)?.finish();
    await clock.advance(0);
  };
  const never = new AbortController().signal;
  const setVerification = (until: Promise<void>): void => void (verification = until);
  return { clock, memory, ends, recorded, transfers, manager, call, finish, never, setVerification };
}

function assertFailed(answer: unknown, code: Code, retryable: boolean): void {
  const error = answer instanceof ImportFailedError ? answer.outcome.error : answer;
  assert.ok(error instanceof ImportError, String(answer));
  assert.deepEqual([Code[error.code], error.retryable], [Code[code], retryable]);
}

function resultOf(answer: unknown): unknown {
  assert.ok(typeof answer === "object" && answer !== null && "kind" in answer, String(answer));
  assert.equal(answer.kind, "result");
  return "result" in answer ? answer.result : undefined;
}

test("callers of one digest share an import, whose records have the names of all", async () => {
  const { call, finish, transfers, recorded, ends, memory } = rig();
  const first = await call();
  const second = await call({ names: wantedNames(["registry.test/app:v2"], DIGEST) });
  assert.equal(transfers.size, 1);
  await finish();
  assert.deepEqual(resultOf(await second.answer), resultOf(await first.answer));
  assert.deepEqual(recorded, [["registry.test/app:v1", "registry.test/app:v2"]]);
  assert.deepEqual(ends, ["committed"]);
  assert.equal(memory.held.size, 0);
});

test("a caller for whom the image is too large is refused alone, and its names are left out", async () => {
  const { call, finish, clock, recorded } = rig();
  const first = await call();
  const second = await call({ names: wantedNames(["registry.test/small:v1"], DIGEST), maxBytes: 1029 });
  const third = await call({ names: wantedNames(["registry.test/fits:v1"], DIGEST), maxBytes: 1030 });
  await clock.advance(1000);
  assertFailed(await second.answer, Code.ResourceExhausted, false);
  await finish();
  resultOf(await first.answer);
  resultOf(await third.answer);
  assert.deepEqual(recorded, [["registry.test/app:v1", "registry.test/fits:v1"]]);
});

test("a caller whose tag is taken is refused alone", async () => {
  const { call, finish, recorded } = rig();
  const first = await call();
  const second = await call({ names: wantedNames(["registry.test/taken:v1"], DIGEST) });
  assertFailed(await second.answer, Code.FailedPrecondition, false);
  await finish();
  resultOf(await first.answer);
  assert.deepEqual(recorded, [["registry.test/app:v1"]]);
});

test("without callers an import goes on for the grace time; a new caller stops the countdown", async () => {
  const { call, clock, ends, transfers, finish } = rig();
  (await call()).leave();
  await clock.advance(GRACE_MS - 1);
  assert.deepEqual(ends, []);
  const second = await call();
  await clock.advance(GRACE_MS);
  assert.deepEqual(ends, []);
  assert.equal(transfers.size, 1);
  await finish();
  resultOf(await second.answer);
});

test("when the grace time is over the import ends, and what came is kept for a next try", async () => {
  const { call, clock, ends, memory } = rig();
  const caller = await call();
  caller.leave();
  assert.match(String(await caller.answer), /the caller is gone/);
  await clock.advance(GRACE_MS);
  assert.deepEqual(ends, ["retryable"]);
  assert.deepEqual([...memory.held.keys()], [`tote-resume-${DIGEST.slice(7)}`]);
});

test("cancelled: its callers are told, its lease is gone, and cancelling again finds nothing", async () => {
  const { call, manager, ends, memory, never } = rig();
  const caller = await call();
  assert.equal(await manager.cancel(DIGEST, never), true);
  assertFailed(await caller.answer, Code.Canceled, false);
  assert.deepEqual(ends, ["cancelled"]);
  assert.equal(memory.held.size, 0);
  assert.equal(await manager.cancel(DIGEST, never), false);
});

test("an import that has made its records can no longer be cancelled", async () => {
  const { call, finish, manager, ends, never, setVerification } = rig();
  const verified = Promise.withResolvers<void>();
  setVerification(verified.promise);
  const caller = await call();
  await finish();
  const cancelled = manager.cancel(DIGEST, never);
  verified.resolve();
  assert.equal(await cancelled, false);
  resultOf(await caller.answer);
  assert.deepEqual(ends, ["committed"]);
});

test("a caller who comes while the records are made waits, and gets an import of its own", async () => {
  const { call, finish, clock, recorded, ends, setVerification } = rig();
  const verified = Promise.withResolvers<void>();
  setVerification(verified.promise);
  const first = await call();
  await finish();
  const late = await call({ names: wantedNames(["registry.test/late:v1"], DIGEST) });
  verified.resolve();
  resultOf(await first.answer);
  await clock.advance(0);
  await finish();
  resultOf(await late.answer);
  assert.deepEqual(recorded, [["registry.test/app:v1"], ["registry.test/late:v1"]]);
  assert.deepEqual(ends, ["committed", "committed"]);
});

test("a sweep takes leases that are older than it says and that no import uses", async () => {
  const { call, manager, memory, clock, never } = rig();
  const stale = `tote-import-${digestNumber(7).slice(7)}`;
  const used = `tote-import-${DIGEST.slice(7)}`;
  for (const id of [stale, used, "somebody"]) await memory.create({ id });
  await clock.advance(1000);
  const fresh = `tote-resume-${digestNumber(8).slice(7)}`;
  await memory.create({ id: fresh });
  await call();
  await manager.sweep(clock.now(), never);
  assert.deepEqual([...memory.held.keys()], [used, "somebody", fresh]);
  await clock.advance(1);
  await manager.sweep(clock.now(), never);
  assert.deepEqual([...memory.held.keys()], [used, "somebody"]);
});

test("more imports than the limit are refused, to be tried again", async () => {
  const { call, finish } = rig();
  const running = await Promise.all(
    Array.from({ length: MAX_IMPORTS }, (_, at) => call({ digest: digestNumber(100 + at) })),
  );
  const refused = await call();
  assertFailed(await refused.answer, Code.ResourceExhausted, true);
  await finish(digestNumber(100));
  resultOf(await running[0]?.answer);
  const taken = await call();
  await finish();
  resultOf(await taken.answer);
});

test("closing: new imports are refused, running ones have their time, the rest is kept for a next try", async () => {
  const { call, finish, manager, clock, ends, memory } = rig();
  const [quick, slow] = [await call(), await call({ digest: digestNumber(2) })];
  const closed = manager.close(30_000);
  const late = await call({ digest: digestNumber(3) });
  assertFailed(await late.answer, Code.Unavailable, true);
  await finish();
  resultOf(await quick.answer);
  await clock.advance(29_999);
  assert.deepEqual(ends, ["committed"]);
  await clock.advance(1);
  await closed;
  assertFailed(await slow.answer, Code.Unavailable, true);
  assert.deepEqual(ends, ["committed", "retryable"]);
  assert.deepEqual([...memory.held.keys()], [`tote-resume-${digestNumber(2).slice(7)}`]);
});
