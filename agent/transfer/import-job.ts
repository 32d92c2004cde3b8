import { orAbort } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import { joinNames, type WantedNames } from "../image/names.ts";
import { stopError, StopReason, toImportError, type ImportError } from "./import-error.ts";
import { ProgressTracker, type ImportProgress } from "./import-progress.ts";
import { SourcePool, type SourceRef } from "./source-pool.ts";

/** What a caller asks for. */
export interface ImportOrder {
  readonly digest: string;
  readonly names: WantedNames;
  readonly sources: readonly SourceRef[];
  /** export grant to show to the sources; "" in insecure mode */
  readonly exportGrant: string;
  /** largest compressed size in bytes; 0 means no limit */
  readonly maxBytes: number;
}

/** How an import ended well. */
export interface ImportResult {
  readonly digest: string;
  readonly configDigest: string;
  readonly bytesTransferred: number;
  readonly bytesReused: number;
  readonly sources: readonly SourceRef[];
  readonly durationMs: number;
  /** CRI has every name */
  readonly visible: boolean;
  /** all image records, sorted */
  readonly names: readonly string[];
  /** why `visible` is false; "" otherwise */
  readonly message: string;
}

/** How an import ended. */
export type ImportOutcome =
  | { readonly ok: true; readonly result: ImportResult }
  | {
      readonly ok: false;
      readonly error: ImportError;
      /** bytes kept for a next try */
      readonly bytesResumable: number;
      readonly sources: readonly { readonly source: SourceRef; readonly message: string }[];
    };

const NO_NAMES: WantedNames = { given: [], tags: [], digests: [] };

/** One import and those who wait for it. */
export class ImportJob {
  readonly digest: string;
  readonly pool: SourcePool;
  readonly progress = new ProgressTracker();
  /** fires when the import is to stop; its reason is an ImportError */
  readonly signal: AbortSignal;
  /** never rejects */
  readonly ended: Promise<ImportOutcome>;
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<ImportOutcome>();
  readonly #clock: Clock;
  readonly #orphanGraceMs: number;
  /** of everybody who ever called, the latest last */
  readonly #orders: ImportOrder[];
  #callers = 0;
  #isSettled = false;
  #orphanTimer: AbortController | undefined;

  constructor(order: ImportOrder, options: { readonly clock: Clock; readonly orphanGraceMs: number }) {
    this.digest = order.digest;
    this.pool = new SourcePool({ sources: order.sources, clock: options.clock });
    this.signal = this.#stop.signal;
    this.ended = this.#end.promise;
    this.#clock = options.clock;
    this.#orphanGraceMs = options.orphanGraceMs;
    this.#orders = [order];
  }

  /** Names of all callers but those for whom the image is too large. */
  get names(): WantedNames {
    const all = this.#orders.filter((order) => this.fits(order)).map((order) => order.names);
    return all.reduce(joinNames, NO_NAMES);
  }

  /** The latest caller's export grant. */
  get exportGrant(): string {
    return this.#orders.at(-1)?.exportGrant ?? "";
  }

  /** The largest limit of all callers; 0 means no limit. */
  get maxBytes(): number {
    const limits = this.#orders.map((order) => order.maxBytes);
    return limits.includes(0) ? 0 : Math.max(...limits);
  }

  /** Whether the image is within a caller's limit, as far as its size is known. */
  fits({ maxBytes }: Pick<ImportOrder, "maxBytes">): boolean {
    return maxBytes === 0 || this.progress.bytesTotal <= maxBytes;
  }

  /** Its names can still be added to: the records are not being made yet. */
  get isOpen(): boolean {
    return (
      !this.#isSettled && (this.progress.phase === "resolving" || this.progress.phase === "transferring")
    );
  }

  /** A further caller with the same digest: its sources and grant take the place of the former ones. */
  join(order: ImportOrder): void {
    this.#orders.push(order);
    this.pool.replace(order.sources);
  }

  /** Counts a caller in; call the answer to count it out. Without callers the import stops after the grace time. */
  attach(): () => void {
    this.#callers++;
    this.#orphanTimer?.abort();
    this.#orphanTimer = undefined;
    let isAttached = true;
    return () => {
      if (!isAttached) return;
      isAttached = false;
      this.#callers--;
      if (this.#callers === 0 && !this.#isSettled) this.#startOrphanTimer();
    };
  }

  /** Stops the import; it still has to clean up, see `ended`. */
  stop(reason: StopReason): void {
    this.#stop.abort(stopError(reason, this.digest));
  }

  /** Runs the import: `work` does it, `cleanUp` is told of a failure before the job ends. Never rejects. */
  async run(
    work: () => Promise<ImportResult>,
    cleanUp: (error: ImportError) => Promise<void>,
  ): Promise<ImportOutcome> {
    const outcome = await work().then(
      (result): ImportOutcome => ({ ok: true, result }),
      async (cause: unknown): Promise<ImportOutcome> => {
        const error = toImportError(this.signal.aborted ? this.signal.reason : cause, this.digest);
        await cleanUp(error);
        const bytesResumable = error.retryable ? this.progress.bytesStored : 0;
        return { ok: false, error, bytesResumable, sources: this.pool.failures };
      },
    );
    this.#isSettled = true;
    this.#orphanTimer?.abort();
    this.#end.resolve(outcome);
    return outcome;
  }

  /** Waits for the end or `ms`, whichever is first. */
  async nextProgress(ms: number, signal: AbortSignal): Promise<ImportProgress> {
    const timer = new AbortController();
    const tick = this.#clock.sleep(ms, timer.signal).catch(() => undefined);
    try {
      await orAbort(Promise.race([this.ended, tick]), signal);
    } finally {
      timer.abort("no longer waited for");
    }
    return this.progress.snapshot();
  }

  /** How it ended, if it has. */
  get outcome(): Promise<ImportOutcome> | undefined {
    return this.#isSettled ? this.ended : undefined;
  }

  #startOrphanTimer(): void {
    const timer = new AbortController();
    this.#orphanTimer = timer;
    this.#clock.sleep(this.#orphanGraceMs, timer.signal).then(
      () => this.stop(StopReason.orphaned),
      // a caller came, or the import ended
      () => undefined,
    );
  }
}
