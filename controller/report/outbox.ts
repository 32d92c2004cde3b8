import type { Outcome } from "../kube/workers.ts";
import type { SalvageRecord, TransitionType } from "../objects/salvage-record.ts";
import type { RecordBook } from "../salvage/record-book.ts";
import { owedTransitions } from "../salvage/record-state.ts";
import { buildEvent, eventId, serialiseEvent } from "./event-v1.ts";
import type { EventSayer } from "./event-sayer.ts";
import type { RelayClient } from "./relay-client.ts";

/** What the outbox works with. */
export interface OutboxOptions {
  readonly book: RecordBook;
  readonly events: EventSayer;
  /** undefined when nobody is told */
  readonly relay: RelayClient | undefined;
  /** what the relay is told */
  readonly wanted: ReadonlySet<TransitionType>;
  /** `source` of events */
  readonly clusterName: string;
}

/** Tells the world what happened to records: Events for kubectl, and the relay until it has everything, in order. */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** @param key "namespace/name" of a record */
  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const record = this.#options.book.get(key);
    if (record === undefined) {
      this.#options.events.forget(key);
      return { kind: "done" };
    }
    const repeatMs = await this.#options.events.say(key, record, signal);
    const outcome = await this.#notify(key, record, signal);
    const isDone = outcome.kind === "done" && repeatMs !== undefined;
    return isDone ? { kind: "again", afterMs: repeatMs } : outcome;
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
