/** How pauses grow. */
export interface BackoffOptions {
  /** milliseconds, upper bound of the first pause */
  readonly baseMs: number;
  /** milliseconds, upper bound of every pause */
  readonly maxMs: number;
  /** 0 to 1, as `Math.random` */
  readonly random: () => number;
}

/** Exponential pauses with full jitter: anything from 0 to a bound that doubles with each failure. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Counts a failure.
   * @param atLeastMs what the other side asked for, e.g. Retry-After; jitter comes on top of it
   * @returns milliseconds to wait
   */
  next(atLeastMs = 0): number {
    const { baseMs, maxMs, random } = this.#options;
    const bound = exponential(baseMs, maxMs, this.#failures);
    this.#failures += 1;
    return atLeastMs + random() * bound;
  }

  /** Something worked. */
  reset(): void {
    this.#failures = 0;
  }
}

/** `baseMs` doubled `times` times, at most `maxMs`. */
export function exponential(baseMs: number, maxMs: number, times: number): number {
  // past 2 ** 1023 there are no numbers, and no bound is that large
  return Math.min(maxMs, baseMs * 2 ** Math.min(times, 1000));
}
