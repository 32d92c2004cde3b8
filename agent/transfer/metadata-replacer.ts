import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { sha256Digest } from "../../lib/digest.ts";
import type { Containerd, ContentWriter, Labels } from "../containerd/types.ts";
import { MAX_SOURCES } from "../limits.ts";
import { ingestRef } from "./blob-fetcher.ts";
import { PartialBlobError, type BlobFiller } from "./blob-filler.ts";
import { discardBlob } from "./discard-blob.ts";
import type { FetchContext, WantedBlob } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import { MemorySink } from "./memory-sink.ts";
import { outlastRestarts } from "./outlast.ts";

/** Everything a replacer works with. */
export interface MetadataReplacerOptions {
  readonly containerd: Pick<Containerd, "content" | "leases" | "waitReady">;
  readonly filler: BlobFiller;
  readonly clock: Clock;
}

/**
 * Puts right metadata in the place of damaged one. Other content may hang on the labels of what is here, perhaps the last
 * copy of it: so the right bytes are fetched first, and nothing here is touched until they are all in memory.
 */
export class MetadataReplacer {
  readonly #options: MetadataReplacerOptions;

  constructor(options: MetadataReplacerOptions) {
    this.#options = options;
  }

  /**
   * Fetches all bytes of a blob, of at most `maxBytes` of the context, and answers them once their digest is right.
   * @throws ImportError when no source is left, or they keep sending only a part
   */
  async fetch(blob: WantedBlob, context: FetchContext): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        const bytes = await this.#fetchOnce(new MemorySink(), blob, context);
        if (bytes !== undefined) return bytes;
      } catch (error) {
        if (!(error instanceof PartialBlobError)) throw error;
        if (attempt >= MAX_SOURCES) {
          const message = `${error.message}, at attempt ${attempt}`;
          throw new ImportError(Code.Unavailable, message, { retryable: true, cause: error });
        }
      }
      context.onDiscarded?.();
    }
  }

  /**
   * Stores `bytes` as the blob, with the labels that it has, in place of what is stored of it, which goes once they are on
   * disk. Keep others from the blob meanwhile. Is not broken off by the context's signal, for the labels would be lost.
   */
  async put(digest: string, bytes: Uint8Array, context: FetchContext): Promise<void> {
    const { containerd, clock } = this.#options;
    const { lease, signal } = context;
    const outlast = <T>(work: () => Promise<T>): Promise<T> =>
      outlastRestarts(work, { containerd, clock, signal });
    const info = await outlast(() => containerd.content.info(digest, { signal }));
    const labels = info?.labels ?? {};
    await outlast(() => this.#swap(digest, bytes, labels, lease));
  }

  /** Undefined: one source sent all of it, and wrong bytes. */
  async #fetchOnce(
    sink: MemorySink,
    blob: WantedBlob,
    context: FetchContext,
  ): Promise<Uint8Array | undefined> {
    context.onOpened?.(0);
    // from one source alone: then it is clear who lies
    const { senders } = await this.#options.filler.fill(sink, blob, context, false);
    const { bytes } = sink;
    const found = sha256Digest(bytes);
    if (found === blob.digest) return bytes;
    const [sender] = senders;
    const message = `wrong bytes for ${blob.digest}: those of ${found}`;
    if (sender === undefined) throw new PartialBlobError(message);
    context.pool.corrupt(sender, bytes.length, message);
    return undefined;
  }

  async #swap(digest: string, bytes: Uint8Array, labels: Labels, lease: string): Promise<void> {
    const { containerd, clock } = this.#options;
    const ref = ingestRef(digest);
    const size = bytes.length;
    await containerd.content.abort(ref);
    const first = await this.#openIngest(ref, size, lease);
    try {
      await first.write(bytes);
    } finally {
      // waits until containerd has stored what was written
      await first.close();
    }
    const writer = await this.#openIngest(ref, size, lease);
    try {
      if (writer.offset !== size)
        throw new Error(`containerd stored ${writer.offset} of ${size} bytes for ${digest}`);
      await discardBlob({ digest, labels, lease }, containerd, clock, {});
      await writer.commit({ size, digest, labels });
    } finally {
      await writer.close();
    }
  }

  /** Opens an ingest without its digest: containerd opens none for a blob that it has. */
  async #openIngest(ref: string, size: number, lease: string): Promise<ContentWriter> {
    const opened = await this.#options.containerd.content.openWriter({ ref, digest: "", size, lease });
    if (opened.kind === "open") return opened.writer;
    throw new Error(`containerd does not open the ingest ${ref}`);
  }
}
