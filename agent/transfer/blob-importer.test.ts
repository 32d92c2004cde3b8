import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { ImportBlobRequestSchema, type ImportBlobRequest } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { Containerd } from "../containerd/types.ts";
import { openGate } from "../grant-gate.ts";
import { IDLE_TIMEOUT_MS } from "../limits.ts";
import { ingestRef } from "./blob-fetcher.ts";
import { BlobImporter } from "./blob-importer.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { digestOf, MemoryContent } from "./memory-content.fixture.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";

const never = new AbortController().signal;
const BYTES = Buffer.from("the bytes of a blob that somebody pushes");
const DIGEST = digestOf(BYTES);
const HALF = 20;
const TIMED_OUT = [
  "DeadlineExceeded",
  "nothing received for 30 s: a call with a header alone answers where to go on",
];

function rig() {
  const clock = createManualClock();
  const content = new MemoryContent();
  const containerd: Pick<Containerd, "content" | "leases"> = {
    content,
    leases: new MemoryLeases(() => clock.now()),
  };
  const locks = new KeyedLock();
  const importer = new BlobImporter({ containerd, grants: openGate, locks, clock });
  return { clock, content, locks, importer };
}

function header(offset = 0): ImportBlobRequest {
  const value = { digest: DIGEST, size: BigInt(BYTES.length), offset: BigInt(offset) };
  return create(ImportBlobRequestSchema, { part: { case: "header", value } });
}

function data(bytes: Uint8Array): ImportBlobRequest {
  return create(ImportBlobRequestSchema, { part: { case: "data", value: Uint8Array.from(bytes) } });
}

/** Sends these messages, then neither another nor an end. */
async function* thenSilence(...messages: readonly ImportBlobRequest[]): AsyncGenerator<ImportBlobRequest> {
  yield* messages;
  await Promise.withResolvers().promise;
}

async function* whole(...messages: readonly ImportBlobRequest[]): AsyncGenerator<ImportBlobRequest> {
  yield* messages;
}

/** Answers what the work has failed with so far: code and words, or nothing. */
function failureOf(work: Promise<unknown>): () => readonly [string, string] | undefined {
  let failure: readonly [string, string] | undefined;
  work.catch((error: unknown) => {
    const { code, rawMessage } = ConnectError.from(error);
    failure = [Code[code], rawMessage];
  });
  return () => failure;
}

test("a caller that falls silent is left after the idle time, and others get at the blob", async () => {
  const { clock, content, locks, importer } = rig();
  const push = failureOf(importer.import(thenSilence(header(), data(BYTES.subarray(0, HALF))), never));
  await setImmediate();
  assert.equal(locks.isHeld(DIGEST), true, "nobody may write the blob meanwhile");
  const second = importer.import(whole(header(HALF), data(BYTES.subarray(HALF))), never);
  await clock.advance(IDLE_TIMEOUT_MS - 1);
  assert.equal(push(), undefined);
  await clock.advance(1);
  assert.deepEqual(push(), TIMED_OUT);
  // what the silent one sent has been kept
  assert.deepEqual(await second, { committed: true, offset: BYTES.length });
  assert.deepEqual(content.blobs.get(DIGEST), BYTES);
  assert.equal(clock.sleepers, 0, "timers are left");
});

test("each message starts the idle time anew", async () => {
  const { clock, importer, content } = rig();
  async function* slow(): AsyncGenerator<ImportBlobRequest> {
    for (const message of [header(), data(BYTES.subarray(0, HALF)), data(BYTES.subarray(HALF))]) {
      await clock.sleep(IDLE_TIMEOUT_MS - 1, never);
      yield message;
    }
  }
  const push = importer.import(slow(), never);
  await clock.advance(3 * IDLE_TIMEOUT_MS);
  assert.deepEqual(await push, { committed: true, offset: BYTES.length });
  assert.deepEqual(content.blobs.get(DIGEST), BYTES);
});

test("a caller that says nothing at all is left, too, and nothing is begun for it", async () => {
  const { clock, content, importer } = rig();
  const push = failureOf(importer.import(thenSilence(), never));
  await clock.advance(IDLE_TIMEOUT_MS);
  assert.deepEqual(push(), TIMED_OUT);
  assert.equal(content.ingests.has(ingestRef(DIGEST)), false);
});
