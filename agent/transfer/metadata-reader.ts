import { randomUUID } from "node:crypto";

import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { sha256Digest } from "../../lib/digest.ts";
import type { CallOptions, Containerd, Labels } from "../containerd/types.ts";
import { referredTo } from "../image/labels.ts";
import { METADATA_MAX_BYTES, RESUME_TTL_MS } from "../limits.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import type { FetchContext, WantedBlob } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import { leaseLabels } from "./import-leases.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { outlastRestarts } from "./outlast.ts";

/** Everything a reader of metadata works with. */
export interface MetadataReaderOptions {
  readonly containerd: Pick<Containerd, "content" | "leases" | "waitReady">;
  readonly fetcher: BlobFetcher;
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
    if (size !== undefined && size > METADATA_MAX_BYTES) {
      throw new ImportError(
        Code.FailedPrecondition,
        `${digest} has ${size} bytes, more than the ${METADATA_MAX_BYTES} that an index, manifest or config may have`,
        { retryable: false },
      );
    }
    const found = await this.#fetchAndRead(blob, context);
    if (sha256Digest(found) === digest) return found;
    if (context.pool.alive.length === 0) throw damaged(digest, found, "no sources were given");
    const labels = await this.#discard(digest, context);
    const fetched = await this.#fetchAndRead(blob, context);
    if (sha256Digest(fetched) !== digest) {
      throw damaged(
        digest,
        fetched,
        "they are back once removed, another namespace of containerd holds them",
      );
    }
    const { content } = this.#options.containerd;
    await this.#outlast(context, (options) => content.setLabels(digest, labels, options));
    return fetched;
  }

  async #fetchAndRead(blob: WantedBlob, context: FetchContext): Promise<Uint8Array> {
    await this.#options.fetcher.fetch(blob, { ...context, maxBytes: METADATA_MAX_BYTES });
    const { content } = this.#options.containerd;
    return await this.#outlast(context, (options) =>
      content.readAll(blob.digest, { ...options, maxBytes: METADATA_MAX_BYTES }),
    );
  }

  /**
   * Takes a blob out of containerd, its file included. What only it refers to goes into the import's lease.
   * @returns the blob's labels
   */
  async #discard(digest: string, context: FetchContext): Promise<Labels> {
    const { containerd, locks, clock } = this.#options;
    const { content, leases } = containerd;
    const labels = (await this.#outlast(context, (options) => content.info(digest, options)))?.labels ?? {};
    await locks.run(digest, context.signal, () =>
      this.#outlast(context, async (options) => {
        for (const resource of referredTo(labels)) await leases.addResource(context.lease, resource, options);
        await content.delete(digest, options);
        // the file goes with a garbage collection, and would be taken for the blob until then
        const id = `tote-collect-${randomUUID()}`;
        await leases.create({ id, labels: leaseLabels("collect", RESUME_TTL_MS, clock.now()) }, options);
        await leases.delete(id, { ...options, sync: true });
      }),
    );
    return labels;
  }

  #outlast<T>({ signal }: FetchContext, work: (options: CallOptions) => Promise<T>): Promise<T> {
    const { containerd, clock } = this.#options;
    return outlastRestarts(() => work({ signal }), { containerd, clock, signal });
  }
}

function damaged(digest: string, bytes: Uint8Array, why: string): ImportError {
  return new ImportError(
    Code.DataLoss,
    `${digest} has other bytes on this node, those of ${sha256Digest(bytes)}, and ${why}`,
    { retryable: false },
  );
}
