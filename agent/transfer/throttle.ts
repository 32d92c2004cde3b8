import type { Clock } from "../../lib/clock.ts";
import { MAX_EXPORTS, MESSAGE_BYTES, MIN_PIECE_BYTES, PIECES_ROUND_MS } from "../limits.ts";

/**
 * Keeps a byte stream below a rate. Bytes are spoken for in the order of the calls, each call waits until its own are
 * due, and what 100 ms allow may pass at once.
 */
export class Throttle {
  /** how many bytes streams best take at once, so that none of many waits long for its turn */
  readonly pieceBytes: number;
  readonly #bytesPerMs: number;
  /** milliseconds of unused rate that are kept */
  readonly #burst: number;
  readonly #clock: Clock;
  /** when everything spoken for so far has passed at the full rate */
  #paidUntil = 0;

  /** @param bytesPerSecond 0 means no limit */
  constructor(options: { readonly bytesPerSecond: number; readonly clock: Clock }) {
    this.#bytesPerMs = options.bytesPerSecond / 1000;
    this.pieceBytes = pieceBytes(this.#bytesPerMs);
    this.#burst = options.bytesPerSecond === 0 ? 0 : 100;
    this.#clock = options.clock;
  }

  /**
   * Returns when `bytes` may pass.
   * @throws the reason of `signal` when it fires first; the bytes are no longer spoken for then
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerMs === 0) return;
    const now = this.#clock.monotonic();
    const cost = bytes / this.#bytesPerMs;
    this.#paidUntil = Math.max(this.#paidUntil, now - this.#burst) + cost;
    const wait = this.#paidUntil - now;
    if (wait <= 0) return;
    try {
      await this.#clock.sleep(wait, signal);
    } catch (error) {
      this.#paidUntil -= cost;
      throw error;
    }
  }
}

function pieceBytes(bytesPerMs: number): number {
  if (bytesPerMs === 0) return MESSAGE_BYTES;
  const fair = Math.floor((bytesPerMs * PIECES_ROUND_MS) / MAX_EXPORTS);
  return Math.min(Math.max(fair, MIN_PIECE_BYTES), MESSAGE_BYTES);
}
