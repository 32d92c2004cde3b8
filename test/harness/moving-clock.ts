import type { Clock } from "../../lib/clock.ts";

/** The machine's clock, which a test can put forward: what is under way goes on in real time. */
export interface MovingClock extends Clock {
  /** Lets so many milliseconds pass at once; whoever sleeps and is due wakes. */
  skip(milliseconds: number): void;
  /** Sets the time of day forwards or back, as a person or NTP does; durations are as before. */
  turn(milliseconds: number): void;
}

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
  timer: NodeJS.Timeout;
}

/** longest time that a timer of Node takes */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Makes a clock that begins as the machine's. */
export function createMovingClock(): MovingClock {
  let skipped = 0;
  let turned = 0;
  const sleepers = new Set<Sleeper>();
  const monotonic = (): number => performance.now() + skipped;

  function arm({ due, wake }: Pick<Sleeper, "due" | "wake">): NodeJS.Timeout {
    return setTimeout(wake, Math.min(TIMER_MAX_MS, Math.max(0, due - monotonic()))).unref();
  }

  return {
    now: () => Date.now() + skipped + turned,
    monotonic,
    sleep(milliseconds, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => leave(() => reject(signal.reason));
      const entry = { due: monotonic() + milliseconds, wake: () => leave(resolve) };
      const sleeper: Sleeper = { ...entry, timer: arm(entry) };
      function leave(settle: () => void): void {
        clearTimeout(sleeper.timer);
        sleepers.delete(sleeper);
        signal.removeEventListener("abort", onAbort);
        settle();
      }
      sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      return promise;
    },
    skip(milliseconds) {
      skipped += milliseconds;
      for (const sleeper of sleepers) {
        clearTimeout(sleeper.timer);
        sleeper.timer = arm(sleeper);
      }
    },
    turn(milliseconds) {
      turned += milliseconds;
    },
  };
}
