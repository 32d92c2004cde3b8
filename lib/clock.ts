import { setInterval, setTimeout } from "node:timers";

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

/**
 * Keeps the process alive: sleeps of {@link systemClock}, idle connections and watches alone do not.
 * @returns lets it end
 */
export function keepAlive(): () => void {
  const timer = setInterval(() => undefined, 60_000);
  return () => clearInterval(timer);
}

/** The clock of the machine. A sleep alone does not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  // not node:timers/promises, which makes two errors with stacks for each sleep that ends early
  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason);
    const timer = setTimeout(resolve, milliseconds).unref();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  },
};
