import { setImmediate } from "node:timers/promises";

import type { Clock } from "../../lib/clock.ts";

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** how many sleeps are under way */
  readonly sleepers: number;
  /** Lets time pass; whoever sleeps meanwhile wakes in order of time, and has run as far as it can on return. */
  advance(milliseconds: number): Promise<void>;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Makes a clock; `now` is milliseconds since 1970 at the start, monotonic time starts at 0. */
export function createManualClock(now = Date.parse("2024-01-01T00:00:00Z")): ManualClock {
  let passed = 0;
  const sleepers = new Set<Sleeper>();

  function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = { at: passed + milliseconds, wake: () => leave(resolve) };
    const onAbort = (): void => leave(() => reject(signal.reason));
    function leave(settle: () => void): void {
      sleepers.delete(sleeper);
      signal.removeEventListener("abort", onAbort);
      settle();
    }
    sleepers.add(sleeper);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    return promise;
  }

  return {
    now: () => now + passed,
    monotonic: () => passed,
    sleep,
    get sleepers() {
      return sleepers.size;
    },
    async advance(milliseconds) {
      const until = passed + milliseconds;
      for (;;) {
        await setImmediate();
        const [next] = [...sleepers].toSorted((one, other) => one.at - other.at);
        if (next === undefined || next.at > until) break;
        passed = Math.max(passed, next.at);
        next.wake();
      }
      passed = until;
    },
  };
}
