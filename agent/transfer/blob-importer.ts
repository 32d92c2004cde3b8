import { Code, ConnectError } from "@connectrpc/connect";

import { byteCount } from "../../lib/byte-count.ts";
import type { Clock } from "../../lib/clock.ts";
import { assertDigest } from "../../lib/digest.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import type { ImportBlobRequest } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { isLocked, isNoSpace, isWrongContent } from "../containerd/errors.ts";
import type { Containerd } from "../containerd/types.ts";
import type { GrantGate } from "../grant-gate.ts";
import { IDLE_TIMEOUT_MS, RESUME_TTL_MS } from "../limits.ts";
import { ingestRef } from "./blob-fetcher.ts";
import { leaseLabels } from "./import-leases.ts";
import type { KeyedLock } from "./keyed-lock.ts";

/** How far a pushed blob is. */
export interface BlobImportResult {
  readonly committed: boolean;
  /** bytes stored */
  readonly offset: number;
}

/** Takes blobs that the controller pushes. Each lives under a lease of its own for an hour, for an image to refer to it. */
export class BlobImporter {
  readonly #containerd: Pick<Containerd, "content" | "leases">;
  readonly #grants: GrantGate;
  readonly #locks: KeyedLock;
  readonly #clock: Clock;

  constructor(options: {
    readonly containerd: Pick<Containerd, "content" | "leases">;
    readonly grants: GrantGate;
    readonly locks: KeyedLock;
    readonly clock: Clock;
  }) {
    this.#containerd = options.containerd;
    this.#grants = options.grants;
    this.#locks = options.locks;
    this.#clock = options.clock;
  }

  /**
   * Stores one blob from a header and its bytes. A stream that ends early leaves what arrived: the answer, or a call
   * with a header alone, says where to go on.
   * @throws ConnectError invalid_argument (order of messages, offset), data_loss (wrong digest), resource_exhausted,
   * deadline_exceeded (a caller that falls silent must not keep the blob from imports)
   */
  async import(requests: AsyncIterable<ImportBlobRequest>, signal: AbortSignal): Promise<BlobImportResult> {
    const messages = requests[Symbol.asyncIterator]();
    const header = (await this.#next(messages))?.part;
    if (header?.case !== "header") throw new InvalidValueError("part", "the first message must be a header");
    const { digest, grant } = header.value;
    assertDigest("header.digest", digest);
    const size = byteCount("header.size", header.value.size);
    const offset = byteCount("header.offset", header.value.offset);
    await this.#grants.forImportBlob({ digest, grant });
    return await this.#locks.run(digest, signal, () =>
      this.#store({ digest, size, offset, messages, signal }),
    );
  }

  async #store(blob: {
    readonly digest: string;
    readonly size: number;
    readonly offset: number;
    readonly messages: AsyncIterator<ImportBlobRequest>;
    readonly signal: AbortSignal;
  }): Promise<BlobImportResult> {
    const { digest, size, signal } = blob;
    const { content, leases } = this.#containerd;
    const lease = `tote-blob-${digest.slice("sha256:".length)}`;
    await leases.create(
      { id: lease, labels: leaseLabels("blob", RESUME_TTL_MS, this.#clock.now()) },
      { signal },
    );
    try {
      const opened = await content.openWriter({ ref: ingestRef(digest), digest, size, lease, signal });
      if (opened.kind === "exists") return { committed: true, offset: size };
      const { writer } = opened;
      try {
        let skip = writer.offset - blob.offset;
        const next = () => this.#next(blob.messages);
        for (let message = await next(); message !== undefined; message = await next()) {
          const { part } = message;
          if (part.case !== "data")
            throw new InvalidValueError("part", "every message after the header must be data");
          if (skip < 0) {
            throw new InvalidValueError(
              "header.offset",
              `is ${blob.offset}, only ${writer.offset} bytes are stored`,
            );
          }
          const fresh = part.value.subarray(skip);
          skip = Math.max(0, skip - part.value.length);
          if (writer.offset + fresh.length > size) {
            throw new InvalidValueError("data", `goes beyond the ${size} bytes that the header announced`);
          }
          if (fresh.length > 0) await writer.write(fresh);
        }
        if (writer.offset < size) return { committed: false, offset: writer.offset };
        await writer.commit({ size, digest });
        return { committed: true, offset: size };
      } finally {
        await writer.close();
      }
    } catch (error) {
      throw await this.#toConnectError(error, digest, lease);
    }
  }

  /** The caller's next message, undefined at the end. */
  async #next(messages: AsyncIterator<ImportBlobRequest>): Promise<ImportBlobRequest | undefined> {
    const timer = new AbortController();
    const silence = this.#clock.sleep(IDLE_TIMEOUT_MS, timer.signal).then((): never => {
      const message = `nothing received for ${IDLE_TIMEOUT_MS / 1000} s: a call with a header alone answers where to go on`;
      throw new ConnectError(message, Code.DeadlineExceeded);
    });
    try {
      const { done, value } = await Promise.race([messages.next(), silence]);
      return done === true ? undefined : value;
    } finally {
      // words, since an AbortController without a reason makes an error with a stack, for each message
      timer.abort("a message is here");
    }
  }

  async #toConnectError(error: unknown, digest: string, lease: string): Promise<unknown> {
    if (isLocked(error)) return new ConnectError(`${digest} is being written by another call`, Code.Aborted);
    if (isNoSpace(error))
      return new ConnectError(`no space left for ${digest} on this node`, Code.ResourceExhausted);
    if (!isWrongContent(error)) return error;
    // else the wrong bytes would be resumed for ever
    await this.#containerd.content.abort(ingestRef(digest));
    await this.#containerd.leases.delete(lease);
    return new ConnectError(ConnectError.from(error).rawMessage, Code.DataLoss);
  }
}
