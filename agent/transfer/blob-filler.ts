import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import type { ContentWriter } from "../containerd/types.ts";
import { STREAM_END_WAIT_MS } from "../limits.ts";
import type { FetchContext, WantedBlob } from "./fetch-context.ts";
import type { BlobMessage, OpenBlob } from "./peer.ts";
import type { SourceRef } from "./source-pool.ts";
import type { Throttle } from "./throttle.ts";

/** Everything a filler works with. */
export interface BlobFillerOptions {
  readonly openBlob: OpenBlob;
  readonly throttle: Throttle;
  /** counts bytes received, also those thrown away later */
  readonly countBytes: (bytes: number) => void;
  readonly clock: Clock;
}

/** Where the bytes go. */
export type BlobSink = Pick<ContentWriter, "offset" | "write">;

/** What has been written. */
export interface Filled {
  /** of the whole blob, as its sources announced it */
  readonly size: number;
  /** who sent bytes of it just now */
  readonly senders: ReadonlySet<SourceRef>;
}

/** One source alone was to send the whole blob, and did not. */
export class PartialBlobError extends Error {
  override readonly name = "PartialBlobError";
}

/** A failure on the other side of a stream, as opposed to one in containerd. */
class PeerError extends Error {
  override readonly name = "PeerError";
}

/** Reads blobs from sources into an open ingest or memory, moving to the next source where one fails. */
export class BlobFiller {
  readonly #options: BlobFillerOptions;

  constructor(options: BlobFillerOptions) {
    this.#options = options;
  }

  /**
   * Reads from where the writer stands until the blob is whole.
   * @param mixSources whether one source may go on where another ended
   * @throws ImportError when no source is left; PartialBlobError; errors of containerd as they are
   */
  async fill(
    writer: BlobSink,
    blob: WantedBlob,
    context: FetchContext,
    mixSources: boolean,
  ): Promise<Filled> {
    const senders = new Set<SourceRef>();
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
      if (size !== undefined) return { size, senders };
      if (!mixSources && writer.offset > 0) {
        throw new PartialBlobError(`${blob.digest} came only up to byte ${writer.offset} from one source`);
      }
    }
  }

  /** Answers the blob's size when it is whole. */
  async #readFrom(
    source: SourceRef,
    writer: BlobSink,
    blob: WantedBlob,
    context: FetchContext,
  ): Promise<number> {
    const stop = new AbortController();
    const request = {
      endpoint: source.endpoint,
      digest: blob.digest,
      offset: writer.offset,
      imageDigest: context.imageDigest,
      grant: context.grant(),
      signal: AbortSignal.any([context.signal, stop.signal]),
    };
    const messages = this.#options.openBlob(request)[Symbol.asyncIterator]();
    let size: number | undefined;
    try {
      for (let message = await next(messages); message !== undefined; message = await next(messages)) {
        if ("size" in message) size = checkSize(message.size, blob, context);
        else await this.#write(message.data, size ?? 0, source, writer, context);
        if (writer.offset === size) {
          await this.#awaitEnd(messages, context.signal);
          return size;
        }
      }
    } finally {
      // words, since an AbortController without a reason makes an error with a stack, for each blob
      stop.abort("the reader has left");
      await messages.return?.();
    }
    throw peerError(Code.Unavailable, `stream ended at byte ${writer.offset} of ${size ?? "?"}`);
  }

  async #write(
    data: Uint8Array,
    size: number,
    source: SourceRef,
    writer: BlobSink,
    context: FetchContext,
  ): Promise<void> {
    if (writer.offset + data.length > size) {
      throw peerError(Code.Internal, `sent more than the ${size} bytes it announced`);
    }
    await this.#options.throttle.take(data.length, context.signal);
    await writer.write(data);
    context.pool.received(source, data.length);
    context.onReceived?.(data.length);
    this.#options.countBytes(data.length);
    context.onOffset?.(writer.offset, source.node);
  }

  /** All bytes are here. Lets the source end its stream in order; what comes after the last byte is of no interest. */
  async #awaitEnd(messages: AsyncIterator<BlobMessage>, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const late = this.#options.clock.sleep(STREAM_END_WAIT_MS, AbortSignal.any([signal, timer.signal]));
    const ignore = (): undefined => undefined;
    await Promise.race([messages.next().then(ignore, ignore), late.catch(ignore)]);
    timer.abort("the stream has ended");
  }
}

/** The next message, undefined at the end; marks the stream's errors, so that they are not taken for containerd's. */
async function next(messages: AsyncIterator<BlobMessage>): Promise<BlobMessage | undefined> {
  try {
    const { done, value } = await messages.next();
    return done === true ? undefined : value;
  } catch (cause) {
    throw new PeerError("source failed", { cause });
  }
}

function checkSize(announced: number, blob: WantedBlob, context: FetchContext): number {
  if (blob.size !== undefined && announced !== blob.size) {
    throw peerError(
      Code.DataLoss,
      `has ${announced} bytes for ${blob.digest}, its manifest says ${blob.size}`,
    );
  }
  if (context.maxBytes !== undefined && announced > context.maxBytes) {
    throw peerError(
      Code.FailedPrecondition,
      `has ${announced} bytes for ${blob.digest}, an index, manifest or config may have ${context.maxBytes}`,
    );
  }
  return announced;
}

function peerError(code: Code, message: string): PeerError {
  return new PeerError(message, { cause: new ConnectError(message, code) });
}
