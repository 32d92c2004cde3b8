import type { BlobMessage, BlobRequest } from "./peer.ts";
import { SourcePool, type SourceRef } from "./source-pool.ts";
import { BlobFetcher } from "./blob-fetcher.ts";
import { BlobFiller } from "./blob-filler.ts";
import type { FetchContext } from "./fetch-context.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { MemoryContent } from "./memory-content.fixture.ts";
import { Throttle } from "./throttle.ts";

/** What a source answers to a request for bytes from `offset` on. */
export type Script = (offset: number, request: BlobRequest) => AsyncIterable<BlobMessage>;

/** Announces the size of `bytes` and sends them, in two pieces. */
export function sends(bytes: Uint8Array, announced = bytes.length): Script {
  return async function* (offset) {
    yield { size: announced };
    const middle = Math.max(offset, Math.floor(bytes.length / 2));
    for (const data of [bytes.subarray(offset, middle), bytes.subarray(middle)])
      if (data.length > 0) yield { data };
  };
}

/** Like `sends`, but fails once it has sent the byte before `end`, or at once when asked for what is past that. */
export function breaksAt(end: number, bytes: Uint8Array, error: Error): Script {
  return async function* (offset) {
    yield { size: bytes.length };
    if (offset < end) yield { data: bytes.subarray(offset, end) };
    throw error;
  };
}

/** Answers the n-th request with the n-th script, the last one for ever. */
export function inTurn(...scripts: readonly Script[]): Script {
  let turn = 0;
  return (offset, request) => {
    const script = scripts[Math.min(turn++, scripts.length - 1)];
    if (script === undefined) throw new Error("a source needs a script");
    return script(offset, request);
  };
}

/** What sources and a fetcher do, seen from outside. */
export type FetchRig = ReturnType<typeof createFetchRig>;

/** A fetcher between scripted sources and a content store in memory. Time passes when somebody sleeps. */
export function createFetchRig(scripts: Readonly<Record<string, Script>>) {
  let now = 0;
  const seen = {
    received: 0,
    counted: 0,
    discarded: 0,
    waits: 0,
    opened: [] as number[],
    slept: [] as number[],
  };
  const clock = {
    now: () => now,
    monotonic: () => now,
    async sleep(ms: number, signal: AbortSignal) {
      signal.throwIfAborted();
      seen.slept.push(ms);
      now += ms;
    },
  };
  const content = new MemoryContent();
  const sources: SourceRef[] = Object.keys(scripts).map((node) => ({ node, endpoint: `https://${node}` }));
  const pool = new SourcePool({ sources, clock });
  const asked: string[] = [];
  const stop = new AbortController();
  const openBlob = (request: BlobRequest): AsyncIterable<BlobMessage> => {
    const node = request.endpoint.slice("https://".length);
    asked.push(`${node} ${request.offset}`);
    const script = scripts[node];
    if (script === undefined) throw new Error(`no script for ${node}`);
    return script(request.offset, request);
  };
  const containerd = {
    content,
    waitReady: async () => {
      seen.waits++;
    },
  };
  const filler = new BlobFiller({
    openBlob,
    throttle: new Throttle({ bytesPerSecond: 0, clock }),
    countBytes: (bytes) => (seen.counted += bytes),
    clock,
  });
  const fetcher = new BlobFetcher({ containerd, filler, locks: new KeyedLock(), clock });
  const context: FetchContext = {
    lease: "lease",
    imageDigest: "sha256:image",
    pool,
    signal: stop.signal,
    grant: () => "grant",
    onReceived: (bytes) => (seen.received += bytes),
    onDiscarded: () => {
      seen.discarded++;
      seen.received = 0;
    },
    onOpened: (offset) => seen.opened.push(offset),
  };
  return {
    content,
    containerd,
    pool,
    asked,
    seen,
    clock,
    filler,
    fetcher,
    context,
    stop,
    elapsed: () => now,
  };
}
