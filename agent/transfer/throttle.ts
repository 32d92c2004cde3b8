import type { Clock } from "../../lib/clock.ts";

/**
 * Keeps a byte stream below a rate. Bytes are spoken for in the order of the calls, each call waits until its own are
 * due, and what 100 ms allow may pass at once.
 */
export class Throttle {
  readonly #bytesPerMs: number;
  /** milliseconds of unused rate that are kept */
  readonly #burst: number;
  readonly #clock: Clock;
  /** when everything spoken for so far has passed at the full rate */
  #paidUntil = 0;

  /** @param bytesPerSecond 0 means no limit */
  constructor(options: { readonly bytesPerSecond: number; readonly clock: Clock }) {
    this.#bytesPerMs = options.bytesPerSecond / 1000;
    this.#burst = options.bytesPerSecond === 0 ? 0 : 100;
    this.#clock = options.clock;
  }

  /** Returns when `bytes` may pass. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerMs === 0) return;
    const now = this.#clock.monotonic();
    this.#paidUntil = Math.max(this.#paidUntil, now - this.#burst) + bytes / this.#bytesPerMs;
    const wait = this.#paidUntil - now;
    if (wait > 0) await this.#clock.sleep(wait, signal);
  }
}
