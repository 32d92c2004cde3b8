import type { Clock } from "../../../lib/clock.ts";
import { SLACK_INTERVAL_MS, SLACK_PACE_WAIT_INTERVALS, SLACK_PACE_WAIT_MS } from "../../limits.ts";

/**
 * Keeps calls apart that Slack limits together: those into one channel, and updates with one token. An interval begins
 * when the call before has ended, so that messages are that far apart wherever the time is taken.
 */
export class Pacer {
  readonly #clock: Clock;
  #nextAt: number;
  #isTaken = false;
  /** the interval of whoever was last */
  #intervalMs = SLACK_INTERVAL_MS;

  /** @param restMs before the first call: who called before a restart is not known */
  constructor(clock: Clock, restMs: number) {
    this.#clock = clock;
    this.#nextAt = clock.monotonic() + restMs;
  }

  /** Milliseconds until a call may begin, as far as is known; 0: now. */
  waitMs(): number {
    const left = Math.max(0, this.#nextAt - this.#clock.monotonic());
    return this.#isTaken ? Math.max(left, this.#intervalMs) : left;
  }

  /** Takes the turn; false when it is not free. Whoever has it gives it back with {@link end}. */
  begin(): boolean {
    if (this.waitMs() > 0) return false;
    this.#isTaken = true;
    return true;
  }

  /** The call has ended: the next may begin after so many milliseconds. */
  end(intervalMs: number): void {
    this.#isTaken = false;
    this.#intervalMs = intervalMs;
    this.hold(intervalMs);
  }

  /** Nothing for so many milliseconds: Slack asked for it. */
  hold(milliseconds: number): void {
    this.#nextAt = Math.max(this.#nextAt, this.#clock.monotonic() + milliseconds);
  }
}

/** The pacers of a relay: one for each thing that Slack limits, whichever subscriptions use it. */
export class Pacers {
  readonly #clock: Clock;
  readonly #pacers = new Map<string, Pacer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The pacer of a key.
   * @param restMs for one that is new, see {@link Pacer}
   */
  of(key: string, restMs: number): Pacer {
    const known = this.#pacers.get(key);
    if (known !== undefined) return known;
    const pacer = new Pacer(this.#clock, restMs);
    this.#pacers.set(key, pacer);
    return pacer;
  }
}

/** Longest wait for a turn during an attempt, in milliseconds: a call waits at least for the one before it. Pure. */
export function longestWaitMs(intervalMs: number): number {
  return Math.max(SLACK_PACE_WAIT_MS, SLACK_PACE_WAIT_INTERVALS * intervalMs);
}

/**
 * Waits until all of them are free, and takes them.
 * @param maxMs longest wait
 * @returns milliseconds that it would take longer than that; 0 when they are taken
 * @throws the reason of `signal` when it fires first
 */
export async function takeTurn(
  pacers: readonly Pacer[],
  { clock, maxMs, signal }: { readonly clock: Clock; readonly maxMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const giveUpAt = clock.monotonic() + maxMs;
  for (;;) {
    signal.throwIfAborted();
    const waitMs = Math.max(...pacers.map((pacer) => pacer.waitMs()));
    // nothing happens between the look and the taking
    if (waitMs <= 0 && pacers.every((pacer) => pacer.begin())) return 0;
    if (clock.monotonic() + waitMs > giveUpAt) return Math.ceil(waitMs);
    await clock.sleep(Math.ceil(waitMs), signal);
  }
}
