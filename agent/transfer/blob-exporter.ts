import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { isUnavailable } from "../containerd/errors.ts";
import type { Containerd } from "../containerd/types.ts";
import { EXPORT_CONTAINERD_WAIT_MS, MAX_EXPORTS } from "../limits.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { LocalBlobs } from "./local-blobs.ts";
import type { ExportSessions } from "./export-sessions.ts";
import type { Throttle } from "./throttle.ts";

/** On whose behalf a blob is read. */
export interface ExportSession {
  /** the same for all streams of one grant */
  readonly key: string;
  /** the image to keep from garbage collection meanwhile */
  readonly imageDigest: string;
}

/** What to read. */
export interface ExportOrder {
  readonly session: ExportSession;
  readonly digest: string;
  /** first byte wanted */
  readonly offset: number;
  readonly signal: AbortSignal;
}

/** An open blob. */
export interface OpenBlobStream {
  /** the whole blob in bytes */
  readonly size: number;
  /** its bytes from the offset on, in pieces of at most MESSAGE_BYTES */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** ends the stream; call it however reading ends */
  close(): void;
}

/** Serves blobs of this node to other agents. */
export class BlobExporter {
  readonly #containerd: Pick<Containerd, "content" | "waitReady">;
  readonly #reader: Pick<LocalBlobs, "read">;
  readonly #sessions: ExportSessions;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
  readonly #countBytes: (bytes: number) => void;

  constructor(options: {
    readonly containerd: Pick<Containerd, "content" | "waitReady">;
    readonly reader: Pick<LocalBlobs, "read">;
    readonly sessions: ExportSessions;
    readonly throttle: Throttle;
    readonly clock: Clock;
    readonly readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
    /** counts bytes sent */
    readonly countBytes: (bytes: number) => void;
  }) {
    this.#containerd = options.containerd;
    this.#reader = options.reader;
    this.#sessions = options.sessions;
    this.#throttle = options.throttle;
    this.#clock = options.clock;
    this.#readFacts = options.readFacts;
    this.#countBytes = options.countBytes;
  }

  /** Streams that run now, those of archives included. */
  get active(): number {
    return this.#sessions.streams;
  }

  /**
   * Opens a blob and keeps its image from garbage collection until a minute after the last stream. Waits for a
   * containerd that restarts: whoever reads would give this node up sooner than it is back.
   * @throws ConnectError not_found, failed_precondition (LAYERS_DISCARDED), invalid_argument (offset past the end),
   * resource_exhausted (too many streams), unavailable (containerd does not come back)
   */
  async open(order: ExportOrder): Promise<OpenBlobStream> {
    const { signal } = order;
    const deadline = this.#clock.monotonic() + EXPORT_CONTAINERD_WAIT_MS;
    for (;;) {
      try {
        return await this.#open(order);
      } catch (error) {
        const timeoutMs = deadline - this.#clock.monotonic();
        if (!isUnavailable(error) || timeoutMs <= 0) throw error;
        const sleep = (ms: number, until: AbortSignal): Promise<void> => this.#clock.sleep(ms, until);
        await this.#containerd.waitReady({ timeoutMs, signal, sleep });
      }
    }
  }

  async #open(order: ExportOrder): Promise<OpenBlobStream> {
    const { session, digest, offset, signal } = order;
    if (this.active >= MAX_EXPORTS) {
      throw new ConnectError(
        `${this.active} streams run here, at most ${MAX_EXPORTS} may`,
        Code.ResourceExhausted,
      );
    }
    const close = await this.#sessions.open(session.key, session.imageDigest, digest, signal);
    try {
      // looked up once it is in the lease: from here on it stays
      const info = await this.#containerd.content.info(digest, { signal });
      if (info === undefined) throw await this.#missing(digest, signal);
      this.#sessions.learn(session.key, info);
      if (offset > info.size) {
        throw new ConnectError(
          `offset is ${offset}, the blob ${digest} has ${info.size} bytes`,
          Code.InvalidArgument,
        );
      }
      return { size: info.size, chunks: this.#chunks(order, info.size), close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async *#chunks({ digest, offset, signal }: ExportOrder, size: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#reader.read(digest, offset, size, signal)) {
      await this.#throttle.take(chunk.length, signal);
      this.#countBytes(chunk.length);
      yield chunk;
    }
  }

  async #missing(digest: string, signal: AbortSignal): Promise<ConnectError> {
    const { keepsLayers } = await this.#readFacts(signal);
    if (keepsLayers) return new ConnectError(`blob ${digest} is not on this node`, Code.NotFound);
    return new ConnectError(
      `LAYERS_DISCARDED: blob ${digest} is not on this node, whose containerd drops layers once they are unpacked`,
      Code.FailedPrecondition,
    );
  }
}
