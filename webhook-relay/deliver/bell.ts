import type { Clock } from "../../lib/clock.ts";

/** Wakes one waiter. A ring while nobody waits is kept for the next who does. */
export class Bell {
  readonly #clock: Clock;
  #rung = false;
  #waiter: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#waiter?.abort(RUNG);
  }

  /**
   * Waits until it rings, but no longer than so many milliseconds.
   * @throws the reason of `signal` when it fires first
   */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung && milliseconds > 0) {
      const waiter = new AbortController();
      const onAbort = (): void => waiter.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiter = waiter;
      try {
        await this.#clock.sleep(milliseconds, waiter.signal);
      } catch (error) {
        if (error !== RUNG) throw error;
      } finally {
        this.#waiter = undefined;
        signal.removeEventListener("abort", onAbort);
      }
    }
    this.#rung = false;
  }
}

const RUNG = new Error("the bell rang");
