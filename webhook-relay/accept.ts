import { createHash } from "node:crypto";

import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { RelayEvent } from "./event/event.ts";
import { ACCEPT_QUEUE_MAX, SIZE_LOOK_EVENTS } from "./limits.ts";
import type { RelayMetrics } from "./metrics.ts";
import type { AcceptedEvent, NewEvent, PlannedDelivery } from "./store/accept-events.ts";
import { StoreError } from "./store/database.ts";
import type { RelayStore } from "./store/store.ts";
import type { Writability } from "./writability.ts";

/** Events cannot be taken now; the client should come again. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** What an acceptor works with. */
export interface AcceptorOptions {
  readonly store: Pick<RelayStore, "accept">;
  /** where an event must go */
  readonly plan: (event: RelayEvent) => readonly PlannedDelivery[];
  /** there is something to do for these subscriptions */
  readonly wake: (subscriptions: Iterable<string>) => void;
  readonly writability: Writability;
  /** called now and then while events come: the store may have grown too large */
  readonly lookAtSize: () => void;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
}

/** Takes events: on disk with all their deliveries, or not at all. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  #waiting = 0;
  #sinceLook = 0;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /**
   * Takes events in one transaction.
   * @returns what became of each, once it is committed
   * @throws RefusedError when nothing can be written; then none of them was
   */
  async accept(events: readonly RelayEvent[]): Promise<readonly AcceptedEvent[]> {
    const { plan } = this.#options;
    return await this.#take(events.map((event) => toNewEvent(event, plan(event))));
  }

  /** Takes one event for certain subscriptions alone. */
  async acceptFor(event: RelayEvent, deliveries: readonly PlannedDelivery[]): Promise<AcceptedEvent> {
    const [accepted] = await this.#take([toNewEvent(event, deliveries)]);
    if (accepted === undefined) throw new Error("no answer from the store");
    return accepted;
  }

  async #take(events: readonly NewEvent[]): Promise<readonly AcceptedEvent[]> {
    const { store, clock, writability, wake } = this.#options;
    if (writability.isFull) throw this.#refuse(events, writability.problem, undefined);
    if (this.#waiting + events.length > ACCEPT_QUEUE_MAX) {
      throw this.#refuse(events, "too many events wait for the disk", undefined);
    }
    this.#waiting += events.length;
    try {
      const accepted = await store.accept(events, clock.now());
      writability.succeeded();
      this.#count(events, accepted);
      this.#grow(events.length);
      wake(new Set(events.flatMap(({ deliveries }) => deliveries.map(({ subscription }) => subscription))));
      return accepted;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      writability.failed(error);
      throw this.#refuse(events, "the store cannot be written", error);
    } finally {
      this.#waiting -= events.length;
    }
  }

  #grow(events: number): void {
    this.#sinceLook += events;
    if (this.#sinceLook < SIZE_LOOK_EVENTS) return;
    this.#sinceLook = 0;
    this.#options.lookAtSize();
  }

  #count(events: readonly NewEvent[], accepted: readonly AcceptedEvent[]): void {
    const { metrics, logger } = this.#options;
    for (const [at, { event, deliveries }] of events.entries()) {
      const result = accepted[at]?.result ?? "accepted";
      metrics.event(event.type, result);
      if (result === "accepted" && deliveries.length === 0) metrics.unmatched(event.type);
      if (result === "differing") {
        logger.warn("an event came again with another body, the first one stays", {
          event: event.id,
          type: event.type,
        });
      }
    }
  }

  #refuse(events: readonly NewEvent[], why: string, error: StoreError | undefined): RefusedError {
    const { metrics, logger } = this.#options;
    for (const { event } of events) metrics.event(event.type, "refused");
    logger.error("events are refused", { why, events: events.length, error });
    const detail = error === undefined ? "" : `: ${error.message}`;
    return new RefusedError(`${why}${detail}, come again`, { cause: error });
  }
}

function toNewEvent(event: RelayEvent, deliveries: readonly PlannedDelivery[]): NewEvent {
  const body = JSON.stringify(event);
  return { event, body, digest: createHash("sha256").update(body).digest(), deliveries };
}
