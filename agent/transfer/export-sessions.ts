import { randomUUID } from "node:crypto";

import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { isNotFound } from "../containerd/errors.ts";
import type { BlobInfo, Containerd } from "../containerd/types.ts";
import { referredTo } from "../image/labels.ts";
import { EXPORT_IDLE_MS, RESUME_TTL_MS } from "../limits.ts";
import { leaseLabels } from "./import-leases.ts";

/** Leases of exports start so. */
const LEASE_PREFIX = "tote-export-";

interface Session {
  readonly lease: string;
  /** set while the lease is being made, so that others wait for it */
  readonly ready: Promise<void>;
  readonly startedAt: number;
  /** blobs that the lease keeps: on their own, or because labels of a blob that it keeps refer to them */
  readonly kept: Set<string>;
  streams: number;
  idle: AbortController | undefined;
}

/**
 * Keeps images that are being read from here from garbage collection: one lease per image and grant, from the first
 * stream until a minute after the last. While a session lives its grant counts as in use, so that a transfer may take
 * longer than the grant's life.
 */
export class ExportSessions {
  readonly #containerd: Pick<Containerd, "leases">;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Session>();
  /** with a lease; more than one of a key while one takes over from another */
  readonly #leased = new Set<Session>();
  #streams = 0;

  constructor(options: {
    readonly containerd: Pick<Containerd, "leases">;
    readonly logger: Logger;
    readonly clock: Clock;
  }) {
    this.#containerd = options.containerd;
    this.#logger = options.logger;
    this.#clock = options.clock;
  }

  /** Streams that run now. */
  get streams(): number {
    return this.#streams;
  }

  /** Whether a session for this key lives. */
  has(key: string): boolean {
    return this.#sessions.has(key);
  }

  /**
   * Opens a stream in the session `key`, which is made if there is none; the image and the blob are kept until a
   * minute after the session's last stream. Call the answer when the stream ends.
   * @throws ConnectError unavailable when the session's lease was taken away: the next stream gets another
   */
  async open(key: string, imageDigest: string, blobDigest: string, signal: AbortSignal): Promise<() => void> {
    const session = this.#fresh(key, imageDigest);
    session.streams++;
    this.#streams++;
    session.idle?.abort("used again, or ended");
    session.idle = undefined;
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      session.streams--;
      this.#streams--;
      if (session.streams === 0) this.#endLater(key, session);
    };
    try {
      await session.ready;
      if (!session.kept.has(blobDigest)) {
        await this.#containerd.leases.addResource(
          session.lease,
          { id: blobDigest, type: "content" },
          { signal },
        );
        session.kept.add(blobDigest);
      }
      return close;
    } catch (error) {
      close();
      // a reader that left says nothing about the lease
      if (!signal.aborted && this.#sessions.get(key) === session) this.#sessions.delete(key);
      // not_found would tell the reader that the blob is not here
      if (isNotFound(error)) throw leaseLost(session.lease, error);
      throw error;
    }
  }

  /**
   * Takes note of a blob's labels: what they refer to is kept with it, and need not be put into the lease on its own,
   * which for each layer of an image is a transaction of containerd's database.
   */
  learn(key: string, { digest, labels }: Pick<BlobInfo, "digest" | "labels">): void {
    const kept = this.#sessions.get(key)?.kept;
    if (kept?.has(digest) !== true) return;
    for (const { id, type } of referredTo(labels)) if (type === "content") kept.add(id);
  }

  /**
   * Removes leases that an agent before this one left.
   * @param createdBefore when this agent started, in milliseconds since 1970: younger leases are its own
   */
  async removeStale(createdBefore: number, signal: AbortSignal): Promise<void> {
    for (const { id, createdAt } of await this.#containerd.leases.list({ signal })) {
      if (!id.startsWith(LEASE_PREFIX) || (createdAt?.getTime() ?? 0) >= createdBefore) continue;
      // a clock that was put forward must not make ours look old
      if ([...this.#leased].some(({ lease }) => lease === id)) continue;
      await this.#containerd.leases.delete(id, { signal });
    }
  }

  /** Ends all sessions. */
  async close(signal: AbortSignal): Promise<void> {
    const sessions = [...this.#leased];
    this.#sessions.clear();
    this.#leased.clear();
    for (const session of sessions) {
      session.idle?.abort("used again, or ended");
      await this.#containerd.leases.delete(session.lease, { signal });
    }
  }

  /** The session for the key; one past half of its lease's life is replaced, so that no lease expires in use. */
  #fresh(key: string, imageDigest: string): Session {
    const known = this.#sessions.get(key);
    if (known !== undefined && this.#clock.monotonic() - known.startedAt < RESUME_TTL_MS / 2) return known;
    const lease = `${LEASE_PREFIX}${randomUUID()}`;
    const session: Session = {
      lease,
      ready: this.#takeLease(lease, imageDigest),
      startedAt: this.#clock.monotonic(),
      kept: new Set([imageDigest]),
      streams: 0,
      idle: undefined,
    };
    this.#sessions.set(key, session);
    this.#leased.add(session);
    this.#logger.info("an image is read from here", { digest: imageDigest, lease });
    if (known?.streams === 0) this.#endLater(key, known);
    return session;
  }

  async #takeLease(lease: string, imageDigest: string): Promise<void> {
    const { leases } = this.#containerd;
    await leases.create({ id: lease, labels: leaseLabels("export", RESUME_TTL_MS, this.#clock.now()) });
    await leases.addResource(lease, { id: imageDigest, type: "content" });
  }

  #endLater(key: string, session: Session): void {
    session.idle?.abort("used again, or ended");
    const idle = new AbortController();
    session.idle = idle;
    this.#clock.sleep(EXPORT_IDLE_MS, idle.signal).then(
      async () => {
        if (this.#sessions.get(key) === session) this.#sessions.delete(key);
        this.#leased.delete(session);
        await this.#containerd.leases.delete(session.lease).catch((error: unknown) => {
          this.#logger.warn("could not remove a lease, it expires within the hour", {
            lease: session.lease,
            error,
          });
        });
      },
      // used again, or closed
      () => undefined,
    );
  }
}

function leaseLost(lease: string, cause: unknown): ConnectError {
  const message = `lease ${lease} of this export is gone from containerd, try again`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
}
