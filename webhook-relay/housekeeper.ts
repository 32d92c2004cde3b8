import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { formatDuration, formatSize } from "../lib/units.ts";
import { Bell } from "./deliver/bell.ts";
import {
  CLOCK_JUMP_MS,
  DELIVERY_MAX_AGE_MS,
  HOUSEKEEPING_INTERVAL_MS,
  RETENTION_STEP,
  SIZE_RELIEF,
  STORE_PROBE_MS,
  TOMBSTONE_MS,
} from "./limits.ts";
import type { RelayMetrics } from "./metrics.ts";
import { StoreError } from "./store/database.ts";
import { RETENTION_BEGIN, type RetentionPlace } from "./store/retention.ts";
import type { RelayStore } from "./store/store.ts";
import type { Writability } from "./writability.ts";

/** What may be kept. */
export interface RetentionPolicy {
  /** events, once all their deliveries have ended, in milliseconds */
  readonly eventsMs: number;
  /** events with a dead delivery, counted from its death, in milliseconds */
  readonly deadMs: number;
  /** the store's data, in bytes */
  readonly maxBytes: number;
}

/** What a housekeeper works with. */
export interface HousekeeperOptions {
  readonly store: RelayStore;
  readonly policy: RetentionPolicy;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  /** how old a delivery of a subscription may become, in milliseconds; undefined for one that nobody knows any more */
  readonly maxAgeOf: (subscription: string) => number | undefined;
  /** the clock was set back by so many milliseconds: what is due has another time now */
  readonly onSetBack: (milliseconds: number) => void;
  /** learns what the clean-up finds out */
  readonly writability: Writability;
}

/** Keeps the store small, gives up what is too old, and notices when somebody sets the clock. */
export class Housekeeper {
  readonly #options: HousekeeperOptions;
  /** what the wall clock is ahead of the monotonic one, in milliseconds */
  #ahead: number;
  readonly #bell: Bell;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
    this.#ahead = options.clock.now() - options.clock.monotonic();
    this.#bell = new Bell(options.clock);
  }

  /** Cleans up soon when the store is larger than it may be. */
  lookAtSize(): void {
    const { store, policy } = this.#options;
    if (store.size().used > policy.maxBytes) this.#bell.ring();
  }

  /** Works until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { writability, logger } = this.#options;
    try {
      while (!signal.aborted) {
        try {
          await this.sweep(signal);
        } catch (error) {
          signal.throwIfAborted();
          logger.error("the store cannot be cleaned up, it is tried again", { error });
        }
        await this.#bell.wait(writability.hasFailed ? STORE_PROBE_MS : HOUSEKEEPING_INTERVAL_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Does everything once, or nothing while the store cannot be written. */
  async sweep(signal: AbortSignal): Promise<void> {
    if (!(await this.#canWrite())) return;
    await this.#followClock();
    await this.#expire(signal);
    await this.#retain(signal);
  }

  /** Without it, nobody would know that there is room again when nobody dares to post, or that there is none. */
  async #canWrite(): Promise<boolean> {
    const { store, writability, logger } = this.#options;
    try {
      await store.probe();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (!writability.hasFailed) logger.error("the store cannot be written", { error });
      writability.failed(error);
      return false;
    }
    if (writability.hasFailed) logger.info("the store can be written again");
    writability.succeeded();
    return true;
  }

  /**
   * When the clock is set back, what waits would wait longer: it moves with it. When it jumps ahead the machine may have
   * slept: what is due is due, but nothing is given up for having been asleep.
   */
  async #followClock(): Promise<void> {
    const { clock, store, logger, onSetBack } = this.#options;
    const ahead = clock.now() - clock.monotonic();
    const jump = Math.round(ahead - this.#ahead);
    if (Math.abs(jump) < CLOCK_JUMP_MS) return;
    await store.shiftTimes({ due: Math.min(0, jump), age: jump });
    this.#ahead = ahead;
    logger.warn("the clock jumped", { by: formatDuration(jump) });
    if (jump < 0) onSetBack(-jump);
  }

  async #expire(signal: AbortSignal): Promise<void> {
    const { store, clock, maxAgeOf, logger } = this.#options;
    const waiting = store.counts().filter(({ state }) => state === "pending");
    for (const { subscription } of waiting) {
      const maxAgeMs = maxAgeOf(subscription);
      const message =
        maxAgeMs === undefined
          ? "there is no such subscription any more"
          : `older than ${formatDuration(maxAgeMs)}`;
      for (;;) {
        signal.throwIfAborted();
        const now = clock.now();
        const before = now - (maxAgeMs ?? DELIVERY_MAX_AGE_MS);
        const count = await store.expire({ subscription, before, max: RETENTION_STEP, now, message });
        if (count > 0) logger.warn("deliveries were given up", { subscription, count, cause: message });
        if (count < RETENTION_STEP) break;
      }
    }
  }

  async #retain(signal: AbortSignal): Promise<void> {
    const { store, policy, clock, writability, logger } = this.#options;
    const now = clock.now();
    await this.#delete(now - policy.eventsMs, now - policy.deadMs, signal, () => true);
    if (store.size().used > policy.maxBytes) {
      const isLarge = (): boolean => store.size().used > policy.maxBytes * SIZE_RELIEF;
      // what is delivered goes first, then what is dead; what waits never goes
      await this.#delete(now, now - policy.deadMs, signal, isLarge);
      if (isLarge()) await this.#delete(now, now + 1, signal, isLarge);
    }
    await store.deleteRemembered(now - TOMBSTONE_MS);
    store.vacuum();
    const { used } = store.size();
    const isFull = used > policy.maxBytes;
    if (isFull && !writability.isFull) {
      logger.error("the store is full of deliveries that wait: new events are refused until there is room", {
        size: formatSize(used),
        limit: formatSize(policy.maxBytes),
      });
    }
    writability.setFull(isFull);
  }

  async #delete(before: number, deadBefore: number, signal: AbortSignal, goOn: () => boolean): Promise<void> {
    const { store, clock, metrics } = this.#options;
    let after: RetentionPlace | undefined = RETENTION_BEGIN;
    while (after !== undefined && goOn()) {
      signal.throwIfAborted();
      const step = { before, deadBefore, after, max: RETENTION_STEP, now: clock.now() };
      const result = await store.deleteEnded(step);
      metrics.retained(result.deleted);
      after = result.after;
    }
  }
}
