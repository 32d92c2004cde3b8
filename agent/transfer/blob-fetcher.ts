import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { isLocked, isUnavailable, isWrongContent } from "../containerd/errors.ts";
import type { Containerd, ContentWriter } from "../containerd/types.ts";
import { CONTAINERD_WAIT_MS, INGEST_LOCK_WAIT_MS } from "../limits.ts";
import { ImportError } from "./import-error.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import type { OpenBlob } from "./peer.ts";
import type { SourcePool, SourceRef } from "./source-pool.ts";
import type { Throttle } from "./throttle.ts";

/** A blob to bring here; the size of an image's root is not known beforehand. */
export interface WantedBlob {
  readonly digest: string;
  readonly size: number | undefined;
}

/** What a fetch needs to know of the import it belongs to. */
export interface FetchContext {
  readonly lease: string;
  readonly imageDigest: string;
  readonly pool: SourcePool;
  readonly signal: AbortSignal;
  /** export grant to show to sources; asked for at each stream because a later caller may bring a fresher one */
  grant(): string;
  /** an index, manifest or config may not be larger */
  readonly maxBytes?: number;
  /** bytes of this blob stored here so far, and the node that sends more */
  onOffset?(offset: number, source: string): void;
  /** bytes of this blob came in from a source */
  onReceived?(bytes: number): void;
  /** the bytes stored of this blob were wrong and are gone */
  onDiscarded?(): void;
}

/** A failure on the other side of a stream, as opposed to one in containerd. */
class PeerError extends Error {
  override readonly name = "PeerError";
}

/** The bytes stored have another digest than they should. */
class WrongContentError extends Error {
  override readonly name = "WrongContentError";
}

/** Everything a fetcher works with. */
export interface BlobFetcherOptions {
  readonly containerd: Containerd;
  readonly openBlob: OpenBlob;
  readonly locks: KeyedLock;
  readonly throttle: Throttle;
  /** counts bytes received, also those thrown away later */
  readonly countBytes: (bytes: number) => void;
  readonly clock: Clock;
}

/** A blob is started over at most this often before its import gives up. */
const MAX_RESTARTS = 5;

/** Name of the ingest of a blob: our own, so that a pull of the same layer that hangs in containerd is not in the way. */
export function ingestRef(digest: string): string {
  return `tote-${digest}`;
}

/**
 * Brings single blobs from sources into containerd's content store, resuming at the offset containerd has, moving to
 * the next source mid-blob, and waiting out a restart of containerd.
 */
export class BlobFetcher {
  readonly #options: BlobFetcherOptions;

  constructor(options: BlobFetcherOptions) {
    this.#options = options;
  }

  /**
   * Returns once the blob is in the content store and in the lease.
   * @throws ImportError when no source is left; errors of containerd as they are
   */
  async fetch(blob: WantedBlob, context: FetchContext): Promise<void> {
    await this.#options.locks.run(blob.digest, context.signal, () => this.#untilStored(blob, context));
  }

  async #untilStored(blob: WantedBlob, context: FetchContext): Promise<void> {
    const { containerd, clock } = this.#options;
    const lockedUntil = clock.monotonic() + INGEST_LOCK_WAIT_MS;
    // once bytes of unknown origin were wrong, one source alone must send the whole blob: then it is clear who lies
    let wrong = 0;
    for (;;) {
      try {
        await this.#attempt(blob, context, wrong === 0);
        return;
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof WrongContentError) {
          wrong++;
          if (wrong >= MAX_RESTARTS) throw new ImportError(Code.DataLoss, error.message, { retryable: true });
        } else if (isLocked(error) && clock.monotonic() < lockedUntil) {
          await clock.sleep(200, context.signal);
        } else if (isUnavailable(error)) {
          await containerd.waitReady({
            timeoutMs: CONTAINERD_WAIT_MS,
            signal: context.signal,
            sleep: (ms, signal) => clock.sleep(ms, signal),
          });
        } else {
          throw error;
        }
      }
    }
  }

  async #attempt(blob: WantedBlob, context: FetchContext, mixSources: boolean): Promise<void> {
    const { content } = this.#options.containerd;
    const { digest } = blob;
    const opened = await content.openWriter({
      ref: ingestRef(digest),
      digest,
      size: blob.size ?? 0,
      lease: context.lease,
      signal: context.signal,
    });
    if (opened.kind === "exists") {
      if (await this.#isReadable(digest, context.signal)) return;
      await content.delete(digest, { signal: context.signal });
      throw new WrongContentError(`${digest} is known to containerd, but its file is gone`);
    }
    const { writer } = opened;
    const start = writer.offset;
    const senders = new Set<SourceRef>();
    try {
      if (!mixSources && start > 0)
        throw new WrongContentError(`${digest} has to be fetched anew from one source`);
      context.onOffset?.(start, "");
      let size = blob.size;
      // at the end already: another containerd namespace has the blob, or an earlier try was killed before its commit
      const isStored = size === undefined ? start > 0 : start === size;
      if (!isStored) size = await this.#fill(writer, blob, context, senders, mixSources);
      await writer.commit({ size: size ?? start, digest });
    } catch (error) {
      if (!isWrongContent(error) && !(error instanceof WrongContentError)) throw error;
      await writer.close();
      await content.abort(ingestRef(digest), { signal: context.signal });
      context.onDiscarded?.();
      context.onOffset?.(0, "");
      if (error instanceof WrongContentError) throw error;
      const [sender] = senders;
      const message = `wrong bytes for ${digest}: ${ConnectError.from(error).rawMessage}`;
      if (sender !== undefined && senders.size === 1 && start === 0) context.pool.corrupt(sender, message);
      throw new WrongContentError(message, { cause: error });
    } finally {
      await writer.close();
    }
  }

  /** A blob whose file was lost or cut short is still "there" for containerd: only reading its last byte tells. */
  async #isReadable(digest: string, signal: AbortSignal): Promise<boolean> {
    const { content } = this.#options.containerd;
    const info = await content.info(digest, { signal });
    if (info === undefined) return false;
    if (info.size === 0) return true;
    try {
      for await (const chunk of content.read(digest, { offset: info.size - 1, signal })) {
        if (chunk.length > 0) return true;
      }
      return false;
    } catch (error) {
      signal.throwIfAborted();
      if (isUnavailable(error)) throw error;
      return false;
    }
  }

  /** Reads from one source after the other until the blob is whole; answers its size. */
  async #fill(
    writer: ContentWriter,
    blob: WantedBlob,
    context: FetchContext,
    senders: Set<SourceRef>,
    mixSources: boolean,
  ): Promise<number> {
    for (;;) {
      const size = await context.pool.use(blob.digest, context.signal, async (source) => {
        const before = writer.offset;
        try {
          return await this.#readFrom(source, writer, blob, context);
        } catch (error) {
          context.signal.throwIfAborted();
          if (!(error instanceof PeerError)) throw error;
          context.pool.failed(source, blob.digest, error.cause);
          return undefined;
        } finally {
          if (writer.offset > before) senders.add(source);
        }
      });
      if (size !== undefined) return size;
      if (!mixSources && writer.offset > 0) throw new WrongContentError(`${blob.digest} came only in part`);
    }
  }

  async #readFrom(
    source: SourceRef,
    writer: ContentWriter,
    blob: WantedBlob,
    context: FetchContext,
  ): Promise<number> {
    const { openBlob, throttle } = this.#options;
    const stop = new AbortController();
    const messages = openBlob({
      endpoint: source.endpoint,
      digest: blob.digest,
      offset: writer.offset,
      imageDigest: context.imageDigest,
      grant: context.grant(),
      signal: AbortSignal.any([context.signal, stop.signal]),
    });
    let size: number | undefined;
    try {
      for await (const message of asPeerErrors(messages)) {
        if ("size" in message) {
          size = this.#checkSize(message.size, blob, context);
          continue;
        }
        const { data } = message;
        if (size === undefined || writer.offset + data.length > size) {
          throw peerError(Code.Internal, `sent more than the ${size ?? 0} bytes it announced`);
        }
        await throttle.take(data.length, context.signal);
        await writer.write(data);
        context.pool.received(source, data.length);
        context.onReceived?.(data.length);
        this.#options.countBytes(data.length);
        context.onOffset?.(writer.offset, source.node);
      }
    } finally {
      stop.abort();
    }
    if (size === undefined || writer.offset < size) {
      throw peerError(Code.Unavailable, `stream ended at byte ${writer.offset} of ${size ?? "?"}`);
    }
    return size;
  }

  #checkSize(announced: number, blob: WantedBlob, context: FetchContext): number {
    if (blob.size !== undefined && announced !== blob.size) {
      throw peerError(
        Code.DataLoss,
        `has ${announced} bytes for ${blob.digest}, its manifest says ${blob.size}`,
      );
    }
    if (context.maxBytes !== undefined && announced > context.maxBytes) {
      throw new ImportError(
        Code.FailedPrecondition,
        `${blob.digest} has ${announced} bytes, more than the ${context.maxBytes} that an index, manifest or config may have`,
        { retryable: false },
      );
    }
    return announced;
  }
}

function peerError(code: Code, message: string): PeerError {
  return new PeerError(message, { cause: new ConnectError(message, code) });
}

/** Marks errors of the stream itself, so that they are not mistaken for errors of containerd. */
async function* asPeerErrors<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (cause) {
    throw new PeerError("source failed", { cause });
  }
}
