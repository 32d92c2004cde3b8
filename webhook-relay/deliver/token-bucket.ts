import type { RateLimit } from "../subscriptions/subscription.ts";

/** Lets so many through per second, with a burst after a pause. Time is handed in, so that it can be any. */
export class TokenBucket {
  readonly #limit: RateLimit;
  #tokens: number;
  #at: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(limit: RateLimit, now: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /** Takes up to `wanted` tokens; answers how many it was. */
  take(wanted: number, now: number): number {
    this.#fill(now);
    const taken = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }

  /** Gives back tokens that were not used. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + count);
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  waitMs(now: number): number {
    this.#fill(now);
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#limit.perSecond) * 1000);
  }

  #fill(now: number): void {
    const passed = Math.max(0, now - this.#at);
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + (passed / 1000) * this.#limit.perSecond);
    this.#at = now;
  }
}
