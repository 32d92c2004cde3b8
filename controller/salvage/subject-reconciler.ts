import { isDigest } from "../../lib/digest.ts";
import type { Logger } from "../../lib/log.ts";
import { subjectOf } from "../cluster-view.ts";
import { dispositionOf } from "../detect/disposition.ts";
import { subjectOfEpisode, type FailingContainer, type FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import { priorityOf, type Priority } from "../detect/opt-in.ts";
import { keyOf } from "../kube/resources.ts";
import type { Outcome } from "../kube/workers.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { REFUSED_RECORDS_MAX } from "../limits.ts";
import type { Resolution } from "../resolve/resolve-digest.ts";
import type { ControllerMetrics } from "../report/metrics.ts";
import type { Overflow } from "../report/overflow.ts";
import { decideEpisode, nextEpisode, type FailingPod } from "./episode.ts";
import type { ImageFinder, WantedImage } from "./image-finder.ts";
import { keyOfFailure, keyOfRecord, newRecord } from "./new-record.ts";
import type { Planner } from "./planner.ts";
import type { RecordBook } from "./record-book.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import { recordKeyText, type RecordKey } from "./record-name.ts";
import { hasEnded, isLegacy } from "./record-state.ts";
import { knownCause } from "./known-cause.ts";
import { leadingFailure, podsOf, readReference } from "./salvage-subject.ts";

/** Pauses before another look at pods that nothing can be done for now, in milliseconds; their changes come at once. */
const IGNORED_RECHECK_MS = 2 * 60_000;
const REFUSED_RECHECK_MS = 60_000;

/** Names beyond the first that are tried for a record. */
const NAMES_TRIED_MAX = 10;

/** What the work on failing pods needs. */
export interface SubjectReconcilerOptions {
  readonly failures: FailureWatch;
  readonly optIn: OptInCheck;
  readonly finder: ImageFinder;
  readonly planner: Planner;
  readonly book: RecordBook;
  readonly keeper: RecordKeeper;
  readonly metrics: ControllerMetrics;
  readonly logger: Logger;
  readonly now: () => number;
  /** a record is to be looked at */
  readonly onRecord: (key: string, priority: Priority) => void;
  /** takes refusals beyond the bound of records */
  readonly overflow: Pick<Overflow, "refused" | "forget">;
}

/** Sees to it that pods that fail for one image on one node have a record, and that it knows them. */
export class SubjectReconciler {
  readonly #options: SubjectReconcilerOptions;
  /** episodes that have been counted and still last, by subject */
  readonly #counted = new Map<string, Set<string>>();
  /** since when this leads, in milliseconds since 1970 */
  readonly #since: number;

  constructor(options: SubjectReconcilerOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  /** @param subject see `subjectKey` */
  async reconcile(subject: string, signal: AbortSignal): Promise<Outcome> {
    const { failures, book, onRecord, overflow } = this.#options;
    const failing = failures.failing(subject);
    if (failing.length === 0) {
      this.#counted.delete(subject);
      overflow.forget(subject);
      for (const record of book.about(subject)) onRecord(keyOf(record.metadata), "normal");
      return { kind: "done" };
    }
    const { asking, priority } = await this.#asking(failing, signal);
    const lead = leadingFailure(asking);
    if (lead === undefined) {
      // those that have opted out while something runs for them
      for (const record of book.about(subject)) {
        if (!hasEnded(record.status)) onRecord(keyOf(record.metadata), "normal");
      }
      return { kind: "again", afterMs: IGNORED_RECHECK_MS };
    }
    this.#count(subject, failing, asking);
    return await this.#settle(lead, asking, priority, signal);
  }

  async #settle(
    lead: FailingContainer,
    asking: readonly FailingContainer[],
    priority: Priority,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { book, failures, onRecord, overflow, now } = this.#options;
    const { episode } = lead;
    const resolution = await this.#resolve(lead, signal);
    // meanwhile the image may have come: what is decided rests on who fails now
    const subject = subjectOfEpisode(episode);
    const still = new Set(failures.failing(subject).map(({ pod }) => pod.uid));
    const pods = [...new Set(asking.map(({ pod }) => pod))].filter(({ uid }) => still.has(uid));
    if (pods.length === 0) return { kind: "again", afterMs: 0 };
    const digest = resolution?.kind === "resolved" ? resolution.digest : undefined;
    const { image } = episode.failure;
    const key = keyOfFailure({ namespace: episode.namespace, image, digest, targetNode: episode.nodeName });
    const records = this.#recordsAbout(key, subject);
    const decision = decideEpisode(records, failingPods(pods, asking), now());
    switch (decision.kind) {
      case "join":
        await this.#join(decision.record, asking, lead, signal);
        onRecord(keyOf(decision.record.metadata), priority);
        // it may end without helping all of them
        return { kind: "again", afterMs: REFUSED_RECHECK_MS };
      case "settled":
        onRecord(keyOf(decision.record.metadata), priority);
        return { kind: "again", afterMs: Math.max(1_000, decision.recheckAt - now()) };
      case "new": {
        const isBounded = book.unhelped >= REFUSED_RECORDS_MAX;
        if (decision.onlyIfAllowed || isBounded) {
          const refusal = await this.#refusal(lead, resolution, signal);
          if (refusal && isBounded && !decision.onlyIfAllowed) overflow.refused(subject);
          if (refusal) return { kind: "again", afterMs: REFUSED_RECHECK_MS };
        }
        overflow.forget(subject);
        await this.#create(lead, key, priority, signal);
        return { kind: "again", afterMs: REFUSED_RECHECK_MS };
      }
    }
  }

  async #create(
    { episode }: FailingContainer,
    key: RecordKey,
    priority: Priority,
    signal: AbortSignal,
  ): Promise<void> {
    const { book, onRecord, logger } = this.#options;
    const { image } = episode.failure;
    const subject = subjectOfEpisode(episode);
    const reading = readReference(image);
    const repository = reading.kind === "reference" ? reading.reference.repository : "";
    const order = { key, repository, imageRef: image, podName: episode.pod };
    const first = nextEpisode(key, repository, this.#recordsOf(key, subject));
    let { record, changed } = await book.create(newRecord({ ...order, episode: first }), signal);
    // the same digest by another name may have taken it, or somebody who knew it beforehand
    for (let number = first + 1; !changed && number <= first + NAMES_TRIED_MAX; number += 1) {
      if (isOfKey(record, key) && subjectOf(record) === subject) break;
      logger.warn("a record of this name is about something else, the next name is taken", {
        record: keyOf(record.metadata),
      });
      ({ record, changed } = await book.create(newRecord({ ...order, episode: number }), signal));
    }
    const name = keyOf(record.metadata);
    if (changed)
      logger.info("record created", { record: name, image, pod: episode.pod, targetNode: episode.nodeName });
    onRecord(name, priority);
  }

  /** Tells an open record of pods and of causes that it does not know yet. */
  async #join(
    record: SalvageRecord,
    asking: readonly FailingContainer[],
    { episode }: FailingContainer,
    signal: AbortSignal,
  ): Promise<void> {
    const { keeper } = this.#options;
    // the first status has not been written: it will name them
    if (record.status.phase === undefined) return;
    const pods = podsOf(asking);
    const known = new Set(record.status.pods?.map(({ uid }) => uid));
    if (
      record.status.podCount !== pods.length ||
      pods.slice(0, known.size).some(({ uid }) => !known.has(uid))
    ) {
      await keeper.change(record, { type: "pods", pods }, signal);
    }
    if (episode.cause !== "unknown" && episode.cause !== record.status.cause) {
      await keeper.change(record, { type: "cause", cause: episode.cause }, signal);
    }
  }

  /**
   * Records about the same name: those of the same key, and open ones, since what the name means may have become known. While
   * nobody knows what it means, all: one of them may have removed the name from the node, and the knowledge with it. Another
   * name of the same digest has records of its own: a record makes one name.
   */
  #recordsAbout(key: RecordKey, subject: string): readonly SalvageRecord[] {
    return this.#options.book
      .about(subject)
      .filter((record) => isOfKey(record, key) || !isDigest(key.content) || !hasEnded(record.status))
      .filter(isOwnHistory);
  }

  /** {@link #recordsAbout}, and all of the same key: they share a row of names. */
  #recordsOf(key: RecordKey, subject: string): readonly SalvageRecord[] {
    const sameKey = this.#options.book.withDigest(key.content).filter((record) => isOfKey(record, key));
    return [...new Set([...this.#recordsAbout(key, subject), ...sameKey.filter(isOwnHistory)])];
  }

  async #resolve(lead: FailingContainer, signal: AbortSignal): Promise<Resolution | undefined> {
    const wanted = this.#wanted(lead);
    return wanted === undefined ? undefined : await this.#options.finder.resolve(wanted, signal);
  }

  /** Whether a record about this would only be another refusal. */
  async #refusal(
    lead: FailingContainer,
    resolution: Resolution | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const wanted = this.#wanted(lead);
    if (wanted === undefined || dispositionOf(lead.episode.failure).kind === "report") return true;
    const { failure, namespace } = lead.episode;
    const cause = knownCause(lead.episode.cause, this.#options.book.withImage(namespace, failure.image));
    const known = resolution === undefined ? {} : { resolution };
    const finding = await this.#options.planner.plan(
      { ...wanted, imageRef: failure.image, cause, ...known },
      signal,
    );
    return finding.kind === "refused";
  }

  #wanted({ pod, episode }: FailingContainer): WantedImage | undefined {
    const reading = readReference(episode.failure.image);
    if (reading.kind === "illegal") return undefined;
    return {
      namespace: episode.namespace,
      reference: reading.reference,
      targetNode: episode.nodeName,
      pod,
      isCorrupt: episode.failure.problem === "corrupt",
    };
  }

  async #asking(
    failing: readonly FailingContainer[],
    signal: AbortSignal,
  ): Promise<{ readonly asking: readonly FailingContainer[]; readonly priority: Priority }> {
    const allowed = new Map<StrippedPod, boolean>();
    const asking: FailingContainer[] = [];
    const priorities = new Set<Priority>();
    for (const container of failing) {
      const { pod } = container;
      if (!allowed.has(pod)) {
        const { optIn, owners } = await this.#options.optIn.ofPod(pod, signal);
        allowed.set(pod, optIn.allowed);
        if (optIn.allowed) priorities.add(priorityOf(pod.annotations, owners));
      }
      if (allowed.get(pod) === true) asking.push(container);
    }
    const priority = priorities.has("high") ? "high" : priorities.has("normal") ? "normal" : "low";
    return { asking, priority };
  }

  /** Counts each episode once; of those that are over nothing is kept. */
  #count(subject: string, failing: readonly FailingContainer[], asking: readonly FailingContainer[]): void {
    const before = this.#counted.get(subject) ?? new Set<string>();
    const counted = new Set(failing.map(episodeKey).filter((key) => before.has(key)));
    this.#counted.set(subject, counted);
    for (const one of asking) {
      const key = episodeKey(one);
      if (counted.has(key)) continue;
      counted.add(key);
      if (!this.#isCountedBefore(subject, one)) this.#options.metrics.detected();
    }
  }

  /** Whether the leader before this one has counted it: it failed by then, and a record knows its pod. */
  #isCountedBefore(subject: string, { pod, episode }: FailingContainer): boolean {
    if (episode.startedAt > this.#since) return false;
    const { book } = this.#options;
    return book.about(subject).some(({ status }) => status.pods?.some(({ uid }) => uid === pod.uid) === true);
  }
}

function isOfKey(record: SalvageRecord, key: RecordKey): boolean {
  return recordKeyText(keyOfRecord(record)) === recordKeyText(key);
}

/** Not what the original left, and is not yet marked as such. */
function isOwnHistory(record: SalvageRecord): boolean {
  return !isLegacy(record);
}

function episodeKey({ episode }: FailingContainer): string {
  return `${episode.podUid}\n${episode.failure.container}\n${episode.startedAt}`;
}

/** A pod hangs when all that keeps it waiting does. */
function failingPods(
  pods: readonly StrippedPod[],
  asking: readonly FailingContainer[],
): readonly FailingPod[] {
  return pods.map((pod) => ({
    uid: pod.uid,
    createdAt: pod.createdAt,
    isHanging: asking
      .filter((one) => one.pod === pod)
      .every(({ episode }) => episode.failure.reason === "HangingPull"),
  }));
}
