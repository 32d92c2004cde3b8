import type { Logger } from "../../lib/log.ts";
import { subjectOf } from "../cluster-view.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import { isAlreadyExists, isForbidden, isInvalid, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { formatMicroTime } from "../kube/micro-time.ts";
import type { KubeEvent } from "../kube/objects.ts";
import { EVENTS } from "../kube/resources.ts";
import { EVENT_MAX_AGE_MS, EVENT_REPEAT_MS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import type { RecordTransition, SalvageRecord, TransitionType } from "../objects/salvage-record.ts";
import { AgeWatch } from "../salvage/age-watch.ts";
import type { RecordBook } from "../salvage/record-book.ts";
import { buildKubeEvents, seriesPatch } from "./kube-event.ts";

/** What Events are made with. */
export interface EventSayerOptions {
  /** writes of a leader only */
  readonly api: KubeApi;
  readonly book: RecordBook;
  readonly failures: Pick<FailureWatch, "failing" | "hangs">;
  /** this controller's pod */
  readonly instance: string;
  /** milliseconds since 1970 */
  readonly now: () => number;
  /** milliseconds of a clock that is never set */
  readonly monotonic: () => number;
  readonly logger: Logger;
}

/** Transitions after which a pod waits for a person. */
const LASTING: ReadonlySet<TransitionType> = new Set(["not_actionable", "ambiguous", "salvage_failed"]);

/**
 * Writes Events on the pods of records: one for each pod and reason. An API server forgets Events after an hour, so that they
 * are repeated while their pods still fail.
 */
export class EventSayer {
  readonly #options: EventSayerOptions;
  /** by record: names of Events that are there */
  readonly #said = new Map<string, Set<string>>();
  /** by record: when its Events were said last, or it was first seen, in monotonic milliseconds */
  readonly #saidAt = new Map<string, number>();
  readonly #ages: AgeWatch;

  constructor(options: EventSayerOptions) {
    this.#options = options;
    this.#ages = new AgeWatch(options);
  }

  /** Forgets a record that is gone. */
  forget(key: string): void {
    this.#said.delete(key);
    this.#saidAt.delete(key);
    this.#ages.forget(key);
  }

  /**
   * Says what is new about a record, and once more what has lasted for long.
   * @returns milliseconds until there may be something to repeat; undefined when there will not
   * @throws ApiError unless what the API server says will not change
   */
  async say(key: string, record: SalvageRecord, signal: AbortSignal): Promise<number | undefined> {
    const { monotonic } = this.#options;
    const said = this.#said.get(key) ?? new Set<string>();
    this.#said.set(key, said);
    if (!this.#saidAt.has(key)) this.#saidAt.set(key, monotonic());
    for (const transition of record.status.transitions ?? []) {
      const name = `${transition.type} ${record.metadata.uid}`;
      const isOld = this.#ages.ageOf(key, name, asTime(transition.time)) > EVENT_MAX_AGE_MS;
      for (const event of this.#eventsOf(record, transition)) {
        const { metadata } = event;
        if (said.has(metadata.name)) continue;
        if (!isOld) await this.#write(key, event, async () => await this.#create(event, signal));
        said.add(metadata.name);
      }
    }
    this.#ages.looked(key);
    const lasting = this.#lasting(record);
    if (lasting === undefined) return undefined;
    const leftMs = (this.#saidAt.get(key) ?? 0) + EVENT_REPEAT_MS - monotonic();
    if (leftMs > 0) return leftMs;
    await this.#repeat(key, record, lasting, signal);
    this.#saidAt.set(key, monotonic());
    return EVENT_REPEAT_MS;
  }

  #eventsOf(record: SalvageRecord, transition: RecordTransition): readonly KubeEvent[] {
    const { instance, failures } = this.#options;
    return buildKubeEvents(record, transition, { instance, hangs: (uid) => failures.hangs(uid) });
  }

  /** What the pods of a record still suffer from, if it is the last word about them. */
  #lasting(record: SalvageRecord): RecordTransition | undefined {
    const { book, failures } = this.#options;
    const { transitions = [] } = record.status;
    const has = (type: TransitionType): boolean => transitions.some((one) => one.type === type);
    const isStuck = has("not_recovered") && !has("recovered");
    const isOnlyDetected = record.status.phase === "Refused";
    const lasting = transitions.findLast(
      ({ type }) =>
        LASTING.has(type) || (isStuck && type === "salvaged") || (isOnlyDetected && type === "salvageable"),
    );
    if (lasting === undefined) return undefined;
    const subject = subjectOf(record);
    if (failures.failing(subject).length === 0) return undefined;
    const isLast = book.about(subject).every((other) => createdAt(other) <= createdAt(record));
    return isLast ? lasting : undefined;
  }

  async #repeat(
    key: string,
    record: SalvageRecord,
    transition: RecordTransition,
    signal: AbortSignal,
  ): Promise<void> {
    const failing = new Set(this.#options.failures.failing(subjectOf(record)).map(({ pod }) => pod.uid));
    for (const event of this.#eventsOf(record, transition)) {
      if (!failing.has(event.regarding?.uid ?? "")) continue;
      await this.#write(key, event, async () => await this.#again(event, signal));
    }
  }

  async #create(event: KubeEvent, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.api.create(EVENTS, event, { signal });
    } catch (error) {
      // a leader before this one has said it
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Counts an Event up, or writes it anew when it has been forgotten. */
  async #again(event: KubeEvent, signal: AbortSignal): Promise<void> {
    const { api, now } = this.#options;
    try {
      const { series } = await api.get(EVENTS, event.metadata, { signal });
      await api.patch(EVENTS, event.metadata, seriesPatch((series?.count ?? 1) + 1, now()), { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#create({ ...event, eventTime: formatMicroTime(now()) }, signal);
    }
  }

  async #write(key: string, event: KubeEvent, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      // a namespace that goes takes no Events, and what is not allowed or legal will not be later
      if (!isForbidden(error) && !isInvalid(error) && !isNotFound(error)) throw error;
      const { reason, regarding } = event;
      this.#options.logger.warn("event left out", { record: key, reason, pod: regarding?.name, error });
    }
  }
}

function createdAt({ metadata }: SalvageRecord): number {
  return asTime(metadata.creationTimestamp);
}
