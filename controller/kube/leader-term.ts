import type { Clock } from "../../lib/clock.ts";

/** This process does not lead any more: what it was about to do must not be done. */
export class NotLeadingError extends Error {
  override readonly name = "NotLeadingError";
}

/** A time during which this process, and no other, is the leader. */
export interface LeaderTerm {
  /** larger than that of every term before: `leaseTransitions` of the lease */
  readonly epoch: number;
  /** fires when the term is over, with a NotLeadingError or the reason of the shutdown */
  readonly signal: AbortSignal;
  /**
   * To be called right before every write. A process that was stopped for a while goes on where it was, before its
   * timers had a chance to fire: this looks at the clock itself.
   * @throws NotLeadingError, or the reason of the shutdown
   */
  assertLeading(): void;
}

/** A term as its elector sees it. */
export class RunningTerm implements LeaderTerm {
  readonly epoch: number;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  /** monotonic milliseconds until which the last renewal is good */
  #until: number;

  constructor(options: { readonly epoch: number; readonly clock: Clock; readonly until: number }) {
    this.epoch = options.epoch;
    this.#clock = options.clock;
    this.#until = options.until;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Milliseconds until the term ends if it is not renewed. */
  get leftMs(): number {
    return this.#until - this.#clock.monotonic();
  }

  assertLeading(): void {
    if (this.leftMs <= 0) this.end(new NotLeadingError("the lease could not be renewed in time"));
    this.signal.throwIfAborted();
  }

  renewed(until: number): void {
    this.#until = until;
  }

  end(reason: unknown): void {
    this.#ended.abort(reason);
  }
}
