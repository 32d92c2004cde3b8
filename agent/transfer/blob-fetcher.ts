import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { isLocked, isMessageTooLarge, isUnavailable, isWrongContent } from "../containerd/errors.ts";
import type { Containerd, ContentWriter } from "../containerd/types.ts";
import {
  BLOB_MAX_ATTEMPTS,
  BLOB_MESSAGE_BYTES,
  INGEST_LOCK_PAUSE_MS,
  INGEST_LOCK_WAIT_MS,
} from "../limits.ts";
import { PartialBlobError, type BlobFiller, type Filled } from "./blob-filler.ts";
import type { FetchContext, WantedBlob } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { outlastRestarts } from "./outlast.ts";
import type { SourceRef } from "./source-pool.ts";

/** Everything a fetcher works with. */
export interface BlobFetcherOptions {
  readonly containerd: Pick<Containerd, "content" | "waitReady">;
  readonly filler: BlobFiller;
  readonly locks: KeyedLock;
  readonly clock: Clock;
}

/** How a blob is tried. */
interface Attempt {
  /** one source may go on where another ended */
  readonly mixSources: boolean;
  /** see OpenWriterOptions */
  readonly maxMessageBytes: number | undefined;
}

/** The bytes stored have another digest than they should, or cannot be read. */
class WrongContentError extends Error {
  override readonly name = "WrongContentError";
  /** the source that sent all of them, which is not asked again */
  readonly liar: SourceRef | undefined;

  constructor(
    message: string,
    options: { readonly liar?: SourceRef | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.liar = options.liar;
  }
}

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
  /** of one message to containerd, until it turns out that its configuration allows less */
  #maxMessageBytes: number | undefined = BLOB_MESSAGE_BYTES;

  constructor(options: BlobFetcherOptions) {
    this.#options = options;
  }

  /**
   * Returns once the blob is in the content store and in the lease.
   * @throws ImportError when no source is left, or wrong bytes keep coming; errors of containerd as they are
   */
  async fetch(blob: WantedBlob, context: FetchContext): Promise<void> {
    const { locks, containerd, clock } = this.#options;
    const { signal } = context;
    await locks.run(blob.digest, signal, () =>
      outlastRestarts(() => this.#untilStored(blob, context), { containerd, clock, signal }),
    );
  }

  async #untilStored(blob: WantedBlob, context: FetchContext): Promise<void> {
    // once bytes of unknown origin were wrong, one source alone must send the whole blob: then it is clear who lies
    let mixSources = true;
    let attempt = 1;
    for (;;) {
      const maxMessageBytes = blob.size === undefined ? undefined : this.#maxMessageBytes;
      try {
        await this.#attempt(blob, context, { mixSources, maxMessageBytes });
        return;
      } catch (error) {
        context.signal.throwIfAborted();
        if (maxMessageBytes !== undefined && isMessageTooLarge(error)) {
          this.#maxMessageBytes = undefined;
          continue;
        }
        const isWrong = error instanceof WrongContentError;
        if (!isWrong && !(error instanceof PartialBlobError)) throw error;
        mixSources = isWrong && error.liar !== undefined;
        // each liar is out: they come to an end by themselves
        if (mixSources) continue;
        if (attempt === BLOB_MAX_ATTEMPTS) {
          const code = isWrong ? Code.DataLoss : Code.Unavailable;
          const message = `${error.message}, at attempt ${attempt}`;
          throw new ImportError(code, message, { retryable: true, cause: error });
        }
        attempt++;
      }
    }
  }

  async #attempt(
    blob: WantedBlob,
    context: FetchContext,
    { mixSources, maxMessageBytes }: Attempt,
  ): Promise<void> {
    const { content } = this.#options.containerd;
    const writer = await this.#openWriter(blob, context, maxMessageBytes);
    if (writer === undefined) {
      if (await this.#isReadable(blob.digest, context.signal)) return;
      await content.delete(blob.digest, { signal: context.signal });
      throw new WrongContentError(`${blob.digest} is known to containerd, but its file is gone`);
    }
    try {
      if (!mixSources && writer.offset > 0) {
        throw new WrongContentError(`${blob.digest} has to be fetched anew from one source`);
      }
      await this.#fillAndCommit(writer, blob, context, mixSources);
    } catch (error) {
      await writer.close();
      if (error instanceof WrongContentError || error instanceof PartialBlobError) {
        // else the wrong bytes would be resumed for ever
        await content.abort(ingestRef(blob.digest), { signal: context.signal });
        context.onDiscarded?.();
      } else {
        // what was handed over beyond that is lost
        context.onOffset?.(writer.acknowledged, "");
      }
      throw error;
    }
    await writer.close();
  }

  async #fillAndCommit(
    writer: ContentWriter,
    blob: WantedBlob,
    context: FetchContext,
    mixSources: boolean,
  ): Promise<void> {
    const { digest } = blob;
    const start = writer.offset;
    context.onOpened?.(start);
    // at the end already: another containerd namespace has the blob, or an earlier try was killed before its commit
    const isStored = blob.size === undefined ? start > 0 : start === blob.size;
    const { size, senders }: Filled = isStored
      ? { size: start, senders: new Set() }
      : await this.#options.filler.fill(writer, blob, context, mixSources);
    try {
      await writer.commit({ size, digest });
    } catch (error) {
      if (!isWrongContent(error)) throw error;
      const message = `wrong bytes for ${digest}: ${ConnectError.from(error).rawMessage}`;
      const [sender] = senders;
      const liar = start === 0 && senders.size === 1 ? sender : undefined;
      if (liar !== undefined) context.pool.corrupt(liar, size, message);
      throw new WrongContentError(message, { liar, cause: error });
    }
  }

  /** Waits for whoever else writes the ingest, an agent that was killed a moment ago. Undefined: the blob is there. */
  async #openWriter(
    blob: WantedBlob,
    context: FetchContext,
    maxMessageBytes: number | undefined,
  ): Promise<ContentWriter | undefined> {
    const { containerd, clock } = this.#options;
    const { digest, size = 0 } = blob;
    const { lease, signal } = context;
    const lockedUntil = clock.monotonic() + INGEST_LOCK_WAIT_MS;
    for (;;) {
      try {
        const options = { ref: ingestRef(digest), digest, size, maxMessageBytes, lease, signal };
        const opened = await containerd.content.openWriter(options);
        return opened.kind === "open" ? opened.writer : undefined;
      } catch (error) {
        if (!isLocked(error) || clock.monotonic() >= lockedUntil) throw error;
        await clock.sleep(INGEST_LOCK_PAUSE_MS, signal);
      }
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
}
