import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { HEALTH_WRITE_INTERVAL_MS } from "../limits.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { RelayStore } from "../store/store.ts";
import type { SubscriptionHealth } from "../store/views.ts";

/** What health is kept with. */
export interface LaneHealthOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
}

/** The health of one subscription: in memory as it is, in the store as far as it matters after a restart. */
export class LaneHealth {
  readonly #name: string;
  readonly #options: LaneHealthOptions;
  #current: SubscriptionHealth;
  #written: SubscriptionHealth;

  constructor(name: string, options: LaneHealthOptions) {
    this.#name = name;
    this.#options = options;
    this.#current = options.store.health(name);
    this.#written = this.#current;
    options.metrics.health(name, this.#current);
  }

  get current(): SubscriptionHealth {
    return this.#current;
  }

  /** Changes it in memory, and says what a person should know. */
  set(next: SubscriptionHealth): void {
    const { logger, metrics } = this.#options;
    const before = this.#current;
    this.#current = next;
    metrics.health(this.#name, next);
    if (next.disabledBy !== before.disabledBy) {
      if (next.disabledBy === undefined) logger.info("subscription is on again");
      else logger.warn("subscription is off", { by: next.disabledBy, reason: next.disabledReason });
    } else if (next.breaker === "open" && before.breaker === "closed") {
      const until = new Date(next.pausedUntil ?? 0).toISOString();
      logger.warn("subscription fails, it is left alone for a while", {
        until,
        lastFailure: next.lastFailure,
      });
    } else if (next.breaker === "closed" && before.breaker === "half_open") {
      logger.info("subscription is back");
    }
  }

  /** What must be written together with an attempt; undefined when nothing is new that matters. */
  toWrite(): SubscriptionHealth | undefined {
    const now = this.#current;
    const old = this.#written;
    const isNew =
      now.breaker !== old.breaker ||
      now.failures !== old.failures ||
      now.pausedUntil !== old.pausedUntil ||
      now.disabledBy !== old.disabledBy ||
      (now.lastSuccessAt ?? 0) - (old.lastSuccessAt ?? 0) >= HEALTH_WRITE_INTERVAL_MS;
    return isNew ? now : undefined;
  }

  /** It was written. */
  wrote(health: SubscriptionHealth): void {
    this.#written = health;
  }

  /** Changes it, and writes it at once. */
  async save(next: SubscriptionHealth): Promise<void> {
    this.set(next);
    await this.#options.store.saveHealth(this.#name, next);
    this.wrote(next);
  }
}
