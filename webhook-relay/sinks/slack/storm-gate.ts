import type { Clock } from "../../../lib/clock.ts";
import {
  SLACK_NEW_MESSAGES,
  SLACK_NEW_MESSAGES_WINDOW,
  SLACK_STORM_LENGTH,
  SLACK_STORM_QUIET,
} from "../../limits.ts";

/** What a gate works with. */
export interface StormGateOptions {
  readonly clock: Clock;
  /** between two messages, in milliseconds; all of the gate's times are multiples of it */
  readonly intervalMs: number;
  /** pause after a message of many incidents, in intervals */
  readonly pause: number;
  /** when a storm of an earlier relay began, and when something was added last; milliseconds since 1970 */
  readonly earlier: StormTimes | undefined;
}

/** When a storm began, and when something was added last; milliseconds since 1970. */
export interface StormTimes {
  readonly openedAt: number;
  readonly lastAt: number;
}

/**
 * Decides whether an incident gets a message of its own. More than a few new ones a minute are a storm; from then on
 * whatever has no message of its own goes into one message together, until it has been quiet for a while.
 */
export class StormGate {
  readonly #options: StormGateOptions;
  /** when messages of new incidents were sent, monotonic */
  #sent: readonly number[] = [];
  #storm: StormTimes | undefined;
  #pausedUntil = 0;

  constructor(options: StormGateOptions) {
    this.#options = options;
    this.#storm = options.earlier;
  }

  /** The storm that goes on, if any. */
  get storm(): StormTimes | undefined {
    const { clock, intervalMs } = this.#options;
    const now = clock.now();
    if (this.#storm === undefined) return undefined;
    const { openedAt, lastAt } = this.#storm;
    const isOn =
      Math.abs(now - lastAt) < SLACK_STORM_QUIET * intervalMs &&
      Math.abs(now - openedAt) < SLACK_STORM_LENGTH * intervalMs;
    return isOn ? this.#storm : undefined;
  }

  /** Incidents without a message that may wait before they are taken together. */
  get overflowAfter(): number {
    return this.storm === undefined ? SLACK_NEW_MESSAGES : 0;
  }

  /** Whether there may be a message for a new incident. */
  mayOpen(): boolean {
    const since = this.#options.clock.monotonic() - SLACK_NEW_MESSAGES_WINDOW * this.#options.intervalMs;
    this.#sent = this.#sent.filter((at) => at > since);
    return this.storm === undefined && this.#sent.length < SLACK_NEW_MESSAGES;
  }

  /** A message for a new incident was sent. */
  opened(): void {
    this.#sent = [...this.#sent, this.#options.clock.monotonic()];
  }

  /** When the storm began that something is added to now. */
  openedAt(): number {
    return this.storm?.openedAt ?? this.#options.clock.now();
  }

  /** Something was added to a storm, or it has begun. */
  added(times: StormTimes): void {
    const { clock, pause, intervalMs } = this.#options;
    this.#storm = times;
    this.#pausedUntil = clock.monotonic() + pause * intervalMs;
  }

  /** Milliseconds for which nothing should be sent, so that more comes together. */
  waitMs(): number {
    return Math.max(0, this.#pausedUntil - this.#options.clock.monotonic());
  }
}
