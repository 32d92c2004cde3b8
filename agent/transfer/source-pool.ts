import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { SOURCE_BACKOFF_MS, SOURCE_BUSY_PAUSE_MS, SOURCE_MAX_FAILURES } from "../limits.ts";
import { ImportError } from "./import-error.ts";

/** An agent to read from. */
export interface SourceRef {
  /** node name */
  readonly node: string;
  /** "https://<ip>:<port>" */
  readonly endpoint: string;
}

/** Why a source is no longer asked, or not for one blob. */
type Outcome = "missing" | "corrupt" | "unreachable" | "refused";

interface Source {
  readonly ref: SourceRef;
  /** blobs being read from it now */
  active: number;
  /** bytes received from it that were not wrong */
  bytes: number;
  /** failures since the last byte */
  failures: number;
  /** not asked before this time */
  notBefore: number;
  /** set when it is not asked again */
  out?: { readonly outcome: Outcome; readonly message: string };
  /** the last failure in words, also of a source that is still asked */
  lastFailure?: string;
  /** blobs it does not have, with its words */
  readonly missing: Map<string, string>;
}

/**
 * The sources of one import: hands out the least busy one that may have a blob, backs off from those that fail, and
 * drops those that send wrong bytes.
 */
export class SourcePool {
  /** those that are asked, best first */
  #sources: Source[] = [];
  /** those that were asked once; a read from one may go on */
  #former: Source[] = [];
  readonly #clock: Clock;

  constructor(options: { readonly sources: readonly SourceRef[]; readonly clock: Clock }) {
    this.#clock = options.clock;
    this.replace(options.sources);
  }

  /** Sets the sources to exactly these; one that is known already starts afresh, unless it sent wrong bytes. */
  replace(refs: readonly SourceRef[]): void {
    const known = [...this.#sources, ...this.#former];
    this.#sources = refs.map((ref) => {
      const source = known.find((candidate) => isSame(candidate.ref, ref));
      if (source === undefined) {
        return { ref, active: 0, bytes: 0, failures: 0, notBefore: 0, missing: new Map<string, string>() };
      }
      if (source.out?.outcome === "corrupt") return source;
      delete source.out;
      delete source.lastFailure;
      source.failures = 0;
      source.notBefore = 0;
      source.missing.clear();
      return source;
    });
    this.#former = known.filter((source) => !this.#sources.includes(source));
  }

  /** All sources that are still asked. */
  get alive(): readonly SourceRef[] {
    return this.#sources.filter((source) => source.out === undefined).map((source) => source.ref);
  }

  /** Sources that bytes came from, those included that are no longer asked. */
  get used(): readonly SourceRef[] {
    return [...this.#sources, ...this.#former]
      .filter((source) => source.bytes > 0)
      .map((source) => source.ref);
  }

  /** What went wrong with each source that failed. */
  get failures(): readonly { readonly source: SourceRef; readonly message: string }[] {
    return this.#sources.flatMap((source) => {
      const message = source.out?.message ?? source.lastFailure ?? [...source.missing.values()].join("; ");
      return message === "" ? [] : [{ source: source.ref, message }];
    });
  }

  /**
   * Runs `read` against the best source for the blob, waiting for one that backs off if there is no other.
   * @throws ImportError when no source is left for it: unavailable (try later), data_loss, permission_denied or
   * failed_precondition (none has it)
   */
  async use<T>(digest: string, signal: AbortSignal, read: (source: SourceRef) => Promise<T>): Promise<T> {
    const source = await this.#pick(digest, signal);
    source.active++;
    try {
      return await read(source.ref);
    } finally {
      source.active--;
    }
  }

  /** Bytes arrived: the source works. */
  received(ref: SourceRef, bytes: number): void {
    const source = this.#find(ref);
    if (source === undefined) return;
    source.bytes += bytes;
    source.failures = 0;
  }

  /** A read failed: sorts the error into "has not got it", "does not let us", "busy", and "not now". */
  failed(ref: SourceRef, digest: string, error: unknown): void {
    const source = this.#find(ref);
    if (source === undefined) return;
    const { code, rawMessage } = ConnectError.from(error);
    switch (code) {
      case Code.NotFound:
      case Code.FailedPrecondition:
      case Code.DataLoss:
        source.missing.set(digest, rawMessage);
        return;
      case Code.PermissionDenied:
      case Code.Unauthenticated:
        source.out = { outcome: "refused", message: rawMessage };
        return;
      case Code.ResourceExhausted:
        // busy with others, which will pass: left alone for a while, but not given up
        source.lastFailure = rawMessage;
        source.notBefore = this.#clock.monotonic() + SOURCE_BUSY_PAUSE_MS;
        return;
      default:
        source.lastFailure = rawMessage;
        // all streams of a source break at once: those that break while it is left alone count as the one before
        if (this.#clock.monotonic() < source.notBefore) return;
        source.failures++;
        source.notBefore = this.#clock.monotonic() + SOURCE_BACKOFF_MS * 2 ** (source.failures - 1);
        if (source.failures >= SOURCE_MAX_FAILURES)
          source.out = { outcome: "unreachable", message: rawMessage };
    }
  }

  /** The source sent `bytes` wrong bytes, which do not count: it is not asked again. */
  corrupt(ref: SourceRef, bytes: number, message: string): void {
    const source = this.#find(ref);
    if (source === undefined) return;
    source.bytes -= bytes;
    source.out = { outcome: "corrupt", message };
  }

  async #pick(digest: string, signal: AbortSignal): Promise<Source> {
    for (;;) {
      signal.throwIfAborted();
      const eligible = this.#sources.filter(
        (source) => source.out === undefined && !source.missing.has(digest),
      );
      if (eligible.length === 0) throw this.#noneLeft(digest);
      const now = this.#clock.monotonic();
      const ready = eligible
        .filter((source) => source.notBefore <= now)
        .toSorted((a, b) => a.active - b.active);
      if (ready[0] !== undefined) return ready[0];
      await this.#clock.sleep(
        Math.max(1, Math.min(...eligible.map((source) => source.notBefore)) - now),
        signal,
      );
    }
  }

  #noneLeft(digest: string): ImportError {
    if (this.#sources.length === 0) {
      return new ImportError(
        Code.FailedPrecondition,
        `${digest} is not on this node and no sources were given`,
        {
          retryable: false,
        },
      );
    }
    const words = this.#sources.map((source) => {
      const why = source.out?.message ?? source.missing.get(digest) ?? "unknown";
      return `${source.ref.node}: ${why}`;
    });
    const message = `no source left for ${digest}: ${words.join("; ")}`;
    const outcomes = new Set(this.#sources.map((source): Outcome => source.out?.outcome ?? "missing"));
    if (outcomes.has("unreachable")) return new ImportError(Code.Unavailable, message, { retryable: true });
    if (outcomes.has("refused")) return new ImportError(Code.PermissionDenied, message, { retryable: true });
    if (outcomes.has("corrupt")) return new ImportError(Code.DataLoss, message, { retryable: false });
    return new ImportError(Code.FailedPrecondition, message, { retryable: false });
  }

  #find(ref: SourceRef): Source | undefined {
    return [...this.#sources, ...this.#former].find((source) => isSame(source.ref, ref));
  }
}

function isSame(a: SourceRef, b: SourceRef): boolean {
  return a.node === b.node && a.endpoint === b.endpoint;
}
