import type { Logger } from "../../lib/log.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import { isAlreadyExists, isForbidden, isInvalid, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { EVENTS } from "../kube/resources.ts";
import type { Outcome } from "../kube/workers.ts";
import { asTime } from "../objects/json.ts";
import type { RecordTransition, SalvageRecord, TransitionType } from "../objects/salvage-record.ts";
import type { RecordBook } from "../salvage/record-book.ts";
import { owedTransitions } from "../salvage/record-state.ts";
import { buildEvent, eventId, serialiseEvent } from "./event-v1.ts";
import { buildKubeEvent } from "./kube-event.ts";
import type { RelayClient } from "./relay-client.ts";

/** Events about what happened longer ago are not made up for after a change of leader, in milliseconds. */
const EVENT_MAX_AGE_MS = 10 * 60_000;

/** What the outbox works with. */
export interface OutboxOptions {
  /** writes of a leader only */
  readonly api: KubeApi;
  readonly book: RecordBook;
  readonly failures: Pick<FailureWatch, "hangs">;
  /** undefined when nobody is told */
  readonly relay: RelayClient | undefined;
  /** what the relay is told */
  readonly wanted: ReadonlySet<TransitionType>;
  /** `source` of events */
  readonly clusterName: string;
  /** this controller's pod */
  readonly instance: string;
  /** milliseconds since 1970 */
  readonly now: () => number;
  readonly logger: Logger;
}

/** Tells the world what happened to records: Events for kubectl, and the relay until it has everything, in order. */
export class Outbox {
  readonly #options: OutboxOptions;
  /** ids of transitions whose Event is there */
  readonly #said = new Map<string, Set<string>>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Whether there may be something to tell about a record. */
  concerns(record: SalvageRecord): boolean {
    return (record.status.transitions ?? []).length > 0;
  }

  /** @param key "namespace/name" of a record */
  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const record = this.#options.book.get(key);
    if (record === undefined) {
      this.#said.delete(key);
      return { kind: "done" };
    }
    for (const transition of record.status.transitions ?? [])
      await this.#say(key, record, transition, signal);
    return await this.#notify(key, record, signal);
  }

  async #say(
    key: string,
    record: SalvageRecord,
    transition: RecordTransition,
    signal: AbortSignal,
  ): Promise<void> {
    const { api, failures, instance, now, logger } = this.#options;
    const said = this.#said.get(key) ?? new Set<string>();
    this.#said.set(key, said);
    if (said.has(transition.type)) return;
    const hangs = failures.hangs(record.status.origin?.podUid ?? "");
    const event = buildKubeEvent(record, transition, instance, hangs);
    const isOld = now() - asTime(transition.time) > EVENT_MAX_AGE_MS;
    if (event !== undefined && !isOld) {
      try {
        await api.create(EVENTS, event, { signal });
      } catch (error) {
        // a namespace that goes takes no Events, and what is not allowed or legal will not be later
        const isHopeless = isForbidden(error) || isInvalid(error) || isNotFound(error);
        if (isHopeless) logger.warn("event left out", { record: key, reason: event.reason, error });
        else if (!isAlreadyExists(error)) throw error;
      }
    }
    said.add(transition.type);
  }

  /** One after the other: what comes later is not sent before the relay has what was before. */
  async #notify(key: string, record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { relay, wanted, clusterName, book } = this.#options;
    if (relay === undefined) return { kind: "done" };
    const owed = owedTransitions(record.status, wanted);
    const delivered: TransitionType[] = [];
    let failure: unknown;
    for (const transition of owed) {
      try {
        const body = serialiseEvent(buildEvent(record, transition, clusterName));
        await relay.post(eventId(record.metadata.uid, transition.type), body, signal);
        delivered.push(transition.type);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        break;
      }
    }
    if (delivered.length > 0) {
      await book.change(key, { type: "notified", types: delivered, wanted }, signal);
    }
    return failure === undefined ? { kind: "done" } : { kind: "retry", error: failure };
  }
}
