import { setTimeout as delay } from "node:timers/promises";

/** Time as a service sees it; tests inject their own. */
export interface Clock {
  /** milliseconds since 1970, as `Date.now()` */
  now(): number;
  /** milliseconds since some start that never jump, for durations and deadlines, as `performance.now()` */
  monotonic(): number;
  /**
   * Waits.
   * @throws the reason of `signal` when it fires first
   */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** The clock of the machine. A sleep alone does not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await delay(milliseconds, undefined, { signal, ref: false });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
