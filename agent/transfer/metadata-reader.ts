import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { sha256Digest } from "../../lib/digest.ts";
import { isUnavailable } from "../containerd/errors.ts";
import type { CallOptions, Containerd } from "../containerd/types.ts";
import { METADATA_MAX_BYTES } from "../limits.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import type { FetchContext, WantedBlob } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import type { MetadataReplacer } from "./metadata-replacer.ts";
import { outlastRestarts } from "./outlast.ts";

/** Everything a reader of metadata works with. */
export interface MetadataReaderOptions {
  readonly containerd: Pick<Containerd, "content" | "leases" | "waitReady">;
  readonly fetcher: Pick<BlobFetcher, "fetch">;
  readonly replacer: MetadataReplacer;
  readonly locks: KeyedLock;
  readonly clock: Clock;
}

/**
 * Reads indexes, manifests and configs, brought here first if need be, and verified: containerd checks a blob when it is
 * written and never again, and a power loss can leave one of the right size that is all zeros.
 */
export class MetadataReader {
  readonly #options: MetadataReaderOptions;

  constructor(options: MetadataReaderOptions) {
    this.#options = options;
  }

  /**
   * Answers all bytes of a blob, which is in the content store and in the lease then.
   * @throws ImportError when it is too large, no source is left, or wrong bytes cannot be got rid of; errors of
   * containerd as they are
   */
  async read(blob: WantedBlob, context: FetchContext): Promise<Uint8Array> {
    const { digest, size } = blob;
    checkSize(digest, size);
    const limited = { ...context, maxBytes: METADATA_MAX_BYTES };
    await this.#take(blob, limited);
    const found = await this.#readHere(digest, context);
    if (isRight(digest, found)) return found;
    return await this.#options.locks.run(digest, context.signal, () => this.#repair(blob, limited));
  }

  /** Puts a blob into the lease, fetched first if it is not here. */
  async #take(blob: WantedBlob, context: FetchContext): Promise<void> {
    const { containerd, fetcher } = this.#options;
    const { content, leases } = containerd;
    const info = await this.#outlast(context, (options) => content.info(blob.digest, options));
    if (info === undefined) {
      await fetcher.fetch(blob, context);
      return;
    }
    checkSize(blob.digest, info.size);
    const resource = { id: blob.digest, type: "content" };
    await this.#outlast(context, (options) => leases.addResource(context.lease, resource, options));
  }

  /** What is stored as the blob; undefined when it cannot be read, e.g. because its file is gone. */
  async #readHere(digest: string, context: FetchContext): Promise<Uint8Array | undefined> {
    const { content } = this.#options.containerd;
    return await this.#outlast(context, async (options) => {
      try {
        return await content.readAll(digest, { ...options, maxBytes: METADATA_MAX_BYTES });
      } catch (error) {
        context.signal.throwIfAborted();
        if (isUnavailable(error)) throw error;
        return undefined;
      }
    });
  }

  /** Replaces what is stored as the blob once a source has sent the right bytes; nobody else may work on it. */
  async #repair(blob: WantedBlob, context: FetchContext): Promise<Uint8Array> {
    const { digest } = blob;
    const { replacer } = this.#options;
    const found = await this.#readHere(digest, context);
    // another import was quicker
    if (isRight(digest, found)) return found;
    if (found !== undefined && context.pool.alive.length === 0)
      throw damaged(digest, found, "no sources were given");
    const fetched = await replacer.fetch(blob, context).catch((error: unknown) => {
      throw found === undefined ? error : withDamage(error, digest, found);
    });
    await replacer.put(digest, fetched, context);
    const stored = await this.#readHere(digest, context);
    if (isRight(digest, stored)) return stored;
    throw damaged(
      digest,
      stored ?? new Uint8Array(),
      "they are back once removed, another namespace of containerd holds them",
    );
  }

  #outlast<T>({ signal }: FetchContext, work: (options: CallOptions) => Promise<T>): Promise<T> {
    const { containerd, clock } = this.#options;
    return outlastRestarts(() => work({ signal }), { containerd, clock, signal });
  }
}

function isRight(digest: string, bytes: Uint8Array | undefined): bytes is Uint8Array {
  return bytes !== undefined && sha256Digest(bytes) === digest;
}

function checkSize(digest: string, size: number | undefined): void {
  if (size === undefined || size <= METADATA_MAX_BYTES) return;
  throw new ImportError(
    Code.FailedPrecondition,
    `${digest} has ${size} bytes, more than the ${METADATA_MAX_BYTES} that an index, manifest or config may have`,
    { retryable: false },
  );
}

function damaged(digest: string, bytes: Uint8Array, why: string): ImportError {
  return new ImportError(Code.DataLoss, `${otherBytes(digest, bytes)}, and ${why}`, { retryable: false });
}

/** Why no source could replace it, together with what is wrong here. */
function withDamage(error: unknown, digest: string, bytes: Uint8Array): unknown {
  if (!(error instanceof ImportError)) return error;
  const { code, message, retryable } = error;
  return new ImportError(code, `${otherBytes(digest, bytes)}: ${message}`, { retryable, cause: error });
}

function otherBytes(digest: string, bytes: Uint8Array): string {
  return `${digest} has other bytes on this node, those of ${sha256Digest(bytes)}`;
}
