import type { Logger } from "../../lib/log.ts";
import { isAlreadyExists, isForbidden, isInvalid, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { EVENTS } from "../kube/resources.ts";
import type { TransitionType } from "../objects/salvage-record.ts";
import { buildOverflowEvent as buildRelayEvent, serialiseEvent } from "./event-v1.ts";
import { buildOverflowEvent as buildKubeEvent, seriesPatch } from "./kube-event.ts";
import type { ControllerMetrics } from "./metrics.ts";
import type { RelayClient } from "./relay-client.ts";

const HOUR_MS = 60 * 60_000;

/** What the summary works with. */
export interface OverflowOptions {
  /** writes of a leader only */
  readonly api: KubeApi;
  /** undefined when nobody is told */
  readonly relay: RelayClient | undefined;
  /** what the relay is told */
  readonly wanted: ReadonlySet<TransitionType>;
  /** `source` of events */
  readonly clusterName: string;
  /** what the Event is about: nothing else stands for the controller as a whole */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** this controller's pod */
  readonly instance: string;
  readonly metrics: Pick<ControllerMetrics, "notActionable">;
  /** milliseconds since 1970 */
  readonly now: () => number;
  readonly logger: Logger;
}

/** What was said in an hour. */
interface Summary {
  /** since 1970 */
  readonly hour: number;
  /** refusals that the Event counts, 0 before there is one */
  readonly counted: number;
  /** not yet taken by the relay; undefined once it has it */
  readonly owed: { readonly id: string; readonly body: string } | undefined;
}

/** Sums up refusals beyond the bound of records: one Event and one event to the relay in each hour, however many they are. */
export class Overflow {
  readonly #options: OverflowOptions;
  /** subjects that are refused without a record of their own and still fail */
  readonly #subjects = new Set<string>();
  #summary: Summary | undefined;

  constructor(options: OverflowOptions) {
    this.#options = options;
  }

  /** Failing pods were refused and get no record. Counted once, until {@link forget}. */
  refused(subject: string): void {
    if (this.#subjects.has(subject)) return;
    this.#subjects.add(subject);
    this.#options.metrics.notActionable();
  }

  /** They fail no more, or have a record after all. */
  forget(subject: string): void {
    this.#subjects.delete(subject);
  }

  /**
   * Says what is new since it was called last. What the relay does not take is offered again at the next call.
   * @throws ApiError unless what the API server says will not change
   */
  async say(signal: AbortSignal): Promise<void> {
    const { now, relay, wanted, instance, clusterName, lease } = this.#options;
    const refused = this.#subjects.size;
    const hour = Math.floor(now() / HOUR_MS);
    if (this.#summary?.hour !== hour) {
      if (refused === 0) return;
      const event = buildRelayEvent({ refused, lease, instance, source: clusterName, now: now() });
      const isWanted = relay !== undefined && wanted.has("not_actionable");
      const owed = isWanted ? { id: event.id, body: serialiseEvent(event) } : undefined;
      this.#summary = { hour, counted: 0, owed };
    }
    const summary = this.#summary;
    if (refused > summary.counted) {
      await this.#count(refused, summary.counted === 0, signal);
      this.#summary = { ...summary, counted: refused };
    }
    await this.#notify(signal);
  }

  async #count(refused: number, isFirst: boolean, signal: AbortSignal): Promise<void> {
    const { api, lease, instance, now, logger } = this.#options;
    const event = buildKubeEvent({ refused, lease, instance, now: now() });
    try {
      if (isFirst) {
        try {
          await api.create(EVENTS, event, { signal });
          return;
        } catch (error) {
          // a leader before this one has begun the hour
          if (!isAlreadyExists(error)) throw error;
        }
      }
      await api.patch(EVENTS, event.metadata, seriesPatch(Math.max(2, refused), now()), { signal });
    } catch (error) {
      if (!isForbidden(error) && !isInvalid(error) && !isNotFound(error)) throw error;
      logger.warn("event left out", { reason: event.reason, note: event.note, error });
    }
  }

  async #notify(signal: AbortSignal): Promise<void> {
    const { relay, logger } = this.#options;
    const summary = this.#summary;
    if (relay === undefined || summary?.owed === undefined) return;
    try {
      await relay.post(summary.owed.id, summary.owed.body, signal);
      this.#summary = { ...summary, owed: undefined };
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("the relay did not take the summary of refusals, it will be offered again", { error });
    }
  }
}
