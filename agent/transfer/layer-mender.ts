import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { createDigester } from "../../lib/digest.ts";
import { isUnavailable } from "../containerd/errors.ts";
import type { BlobInfo, CallOptions, Containerd } from "../containerd/types.ts";
import type { Layer } from "../image/tree.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import { discardBlob } from "./discard-blob.ts";
import type { FetchContext } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { outlastRestarts } from "./outlast.ts";
import type { LayerError } from "./unpacker.ts";

/** Everything a mender works with. */
export interface LayerMenderOptions {
  readonly containerd: Pick<Containerd, "content" | "leases" | "waitReady">;
  readonly fetcher: Pick<BlobFetcher, "fetch">;
  readonly locks: KeyedLock;
  readonly clock: Clock;
}

/** A try to unpack that failed. */
export interface FailedUnpack {
  readonly error: LayerError;
  /** when it began, in milliseconds since 1970 */
  readonly begun: number;
}

/** Fetches layers anew whose bytes went bad on this node; a layer that is here already is not hashed before it fails. */
export class LayerMender {
  readonly #options: LayerMenderOptions;

  constructor(options: LayerMenderOptions) {
    this.#options = options;
  }

  /**
   * Returns once a layer that did not unpack is worth another try. A damaged blob is gone, whether a source has the layer
   * or not: then it is no longer taken for present.
   * @throws the failure when the bytes are what they should be; ImportError when they cannot be replaced
   */
  async mend({ digest, size }: Layer, failure: FailedUnpack, context: FetchContext): Promise<void> {
    const { fetcher, locks } = this.#options;
    await locks.run(digest, context.signal, () => this.#discardDamaged(digest, failure, context));
    try {
      await fetcher.fetch({ digest, size }, context);
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof ImportError)) throw error;
      const message = `layer ${digest} was damaged on this node and is removed: ${error.message}`;
      throw new ImportError(error.code, message, { retryable: true, cause: error });
    }
    if (await this.#isRight(digest, context)) return;
    throw new ImportError(
      Code.DataLoss,
      `layer ${digest} is damaged on this node, and back once removed: another namespace of containerd holds it`,
      { retryable: false, cause: failure.error },
    );
  }

  async #discardDamaged(
    digest: string,
    { error, begun }: FailedUnpack,
    context: FetchContext,
  ): Promise<void> {
    const { containerd, clock } = this.#options;
    const { lease } = context;
    const info = await this.#outlast(context, (options) => containerd.content.info(digest, options));
    if (info === undefined) return;
    if (await this.#isRight(digest, context)) {
      // another import was quicker
      if (isSince(info, begun)) return;
      throw error;
    }
    await this.#outlast(context, (options) =>
      discardBlob({ digest, labels: info.labels, lease }, containerd, clock, options),
    );
    context.onDiscarded?.();
  }

  /** Hashes the blob; one that cannot be read is not right. */
  async #isRight(digest: string, context: FetchContext): Promise<boolean> {
    const { content } = this.#options.containerd;
    return await this.#outlast(context, async (options) => {
      const digester = createDigester();
      try {
        for await (const chunk of content.read(digest, options)) digester.update(chunk);
      } catch (error) {
        context.signal.throwIfAborted();
        if (isUnavailable(error)) throw error;
        return false;
      }
      return digester.digest() === digest;
    });
  }

  #outlast<T>({ signal }: FetchContext, work: (options: CallOptions) => Promise<T>): Promise<T> {
    const { containerd, clock } = this.#options;
    return outlastRestarts(() => work({ signal }), { containerd, clock, signal });
  }
}

function isSince({ createdAt }: BlobInfo, begun: number): boolean {
  return createdAt !== undefined && createdAt.getTime() >= begun;
}
