import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { silentLogger } from "../../lib/log.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import type { WaitReadyOptions } from "../containerd/types.ts";
import { EXPORT_CONTAINERD_WAIT_MS, MAX_EXPORTS } from "../limits.ts";
import { BlobExporter } from "./blob-exporter.ts";
import { ExportSessions } from "./export-sessions.ts";
import { digestOf, MemoryContent } from "./memory-content.fixture.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";
import { Throttle } from "./throttle.ts";

const never = new AbortController().signal;
const away = new ConnectError("cannot reach containerd", Code.Unavailable);
const BYTES = Buffer.from("the bytes of a layer");
const DIGEST = digestOf(BYTES);

function rig(options: { readonly keepsLayers?: boolean } = {}) {
  const clock = createManualClock();
  const leases = new MemoryLeases();
  const content = new MemoryContent();
  content.blobs.set(DIGEST, BYTES);
  const waits: number[] = [];
  let sent = 0;
  /** what happens when containerd is waited for */
  let onWait = async (_options: WaitReadyOptions): Promise<void> => {
    leases.failure = undefined;
  };
  const exporter = new BlobExporter({
    containerd: {
      content,
      waitReady: async (wait) => {
        waits.push(wait.timeoutMs);
        await onWait(wait);
      },
    },
    reader: { read: (digest, offset, _size, signal) => content.read(digest, { offset, signal }) },
    sessions: new ExportSessions({ containerd: { leases }, logger: silentLogger, clock }),
    throttle: new Throttle({ bytesPerSecond: 0, clock }),
    clock,
    readFacts: async () => ({
      platform: { os: "linux", architecture: "amd64", variant: "" },
      snapshotter: "overlayfs",
      keepsLayers: options.keepsLayers ?? true,
      letsLayersGo: false,
    }),
    countBytes: (bytes) => (sent += bytes),
  });
  const open = (digest = DIGEST, offset = 0) =>
    exporter.open({ session: { key: "grant", imageDigest: digest }, digest, offset, signal: never });
  const setOnWait = (wait: typeof onWait): void => void (onWait = wait);
  return { exporter, leases, clock, waits, open, setOnWait, sent: () => sent };
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

test("a blob is read from an offset, its bytes are counted, and its lease is taken first", async () => {
  const { open, leases, sent } = rig();
  const blob = await open(DIGEST, 4);
  assert.equal(blob.size, BYTES.length);
  assert.equal(leases.held.size, 1);
  assert.equal(await readAll(blob.chunks), "bytes of a layer");
  assert.equal(sent(), BYTES.length - 4);
});

test("an offset at the end gives an empty stream, one past it is refused", async () => {
  const { open, exporter } = rig();
  const blob = await open(DIGEST, BYTES.length);
  assert.equal(await readAll(blob.chunks), "");
  blob.close();
  await assert.rejects(
    open(DIGEST, BYTES.length + 1),
    /offset is 21, the blob sha256:[0-9a-f]+ has 20 bytes/,
  );
  assert.equal(exporter.active, 0);
});

test("a blob that is not here is not found, on a node that drops layers that is said too", async () => {
  const missing = digestOf(Buffer.from("missing"));
  await assert.rejects(
    rig().open(missing),
    new ConnectError(`blob ${missing} is not on this node`, Code.NotFound),
  );
  await assert.rejects(rig({ keepsLayers: false }).open(missing), /failed_precondition.*LAYERS_DISCARDED/);
});

test("a containerd that restarts is waited for", async () => {
  const { open, leases, waits } = rig();
  leases.failure = away;
  const blob = await open();
  assert.deepEqual(waits, [EXPORT_CONTAINERD_WAIT_MS]);
  assert.equal(await readAll(blob.chunks), BYTES.toString());
  assert.equal(leases.held.size, 1);
});

test("a lease that was taken away is taken anew, and the reader notices nothing", async () => {
  const { open, leases } = rig();
  await open();
  leases.held.clear();
  const other = digestOf(Buffer.from("not in the lease yet"));
  await assert.rejects(open(other), /not_found.*is not on this node/);
  leases.held.clear();
  const blob = await open();
  assert.equal(await readAll(blob.chunks), BYTES.toString());
});

test("a containerd that does not come back ends the wait with its error, and no stream is open", async () => {
  const { open, exporter, leases, setOnWait } = rig();
  leases.failure = away;
  setOnWait(async () => {
    throw away;
  });
  await assert.rejects(open(), /cannot reach containerd/);
  assert.equal(exporter.active, 0);
});

test("a containerd that says it is there and refuses all the same is not asked for ever", async () => {
  const { open, leases, clock, waits, setOnWait } = rig();
  leases.failure = away;
  setOnWait(() => clock.advance(EXPORT_CONTAINERD_WAIT_MS / 4));
  await assert.rejects(open(), /cannot reach containerd/);
  assert.deepEqual(waits, [20_000, 15_000, 10_000, 5_000]);
});

test("more streams than the limit are refused", async () => {
  const { open, exporter } = rig();
  const streams = await Promise.all(Array.from({ length: MAX_EXPORTS }, () => open()));
  await assert.rejects(open(), /resource_exhausted.*64 streams run here, at most 64 may/);
  streams[0]?.close();
  await open();
  assert.equal(exporter.active, MAX_EXPORTS);
});
