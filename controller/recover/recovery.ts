import { isConflict, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { keyOf, PODS } from "../kube/resources.ts";
import type { ReadStore } from "../kube/store.ts";
import type { Outcome } from "../kube/workers.ts";
import { hasImage } from "../detect/detect-failures.ts";
import { subjectOf } from "../cluster-view.ts";
import type { FailingContainer, FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import { NOT_RECOVERED_AT_MS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { AgeWatch } from "../salvage/age-watch.ts";
import type { RecordKeeper } from "../salvage/record-keeper.ts";
import { nextNudge, nudgePatch } from "./nudge.ts";

/** What a recovery works with. */
export interface RecoveryOptions {
  /** writes of a leader only */
  readonly api: KubeApi;
  readonly pods: ReadStore<StrippedPod, "namespace" | "node" | "image" | "digest">;
  readonly failures: FailureWatch;
  /** who has not asked is neither nudged nor waited for */
  readonly optIn: Pick<OptInCheck, "asking">;
  readonly keeper: RecordKeeper;
  /** milliseconds since 1970 */
  readonly now: () => number;
  readonly ages: AgeWatch;
}

/** How long after its end a record is watched for its pods to start, in milliseconds. */
const WATCHED_MS = 60 * 60_000;

/** How many patches of one record are on their way to the API server at once. */
const NUDGES_AT_ONCE = 10;

/** A nudge that was made. */
interface Nudge {
  /** uid of the record that it was made for */
  readonly record: string;
  /** milliseconds after the image became visible */
  readonly elapsed: number;
}

/** Wakes the kubelet once an image is there, and sees whether the pods start. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** by pod uid: the last one; the watch may not have told of it yet */
  readonly #nudged = new Map<string, Nudge>();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** The next step for a completed record. */
  async step(record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { failures, optIn, keeper, ages } = this.#options;
    const { uid } = record.metadata;
    const { reason, transitions = [] } = record.status;
    const isDone = transitions.some(({ type }) => type === "recovered");
    if (reason !== "Salvaged" && reason !== "StaleRecordRemoved") return { kind: "done" };
    const visibleAt = asTime(record.status.completedAt);
    // a clock that is set must neither end the watch over its pods nor begin it anew
    const elapsed = ages.ageOf(keyOf(record.metadata), `completed ${uid}`, visibleAt);
    if (elapsed > WATCHED_MS) return { kind: "done" };
    const waiting = await optIn.asking(failures.failing(subjectOf(record)), signal);
    if (isDone && (waiting.length === 0 || elapsed >= NOT_RECOVERED_AT_MS)) return { kind: "done" };
    if (waiting.length === 0) {
      const started = this.#startedPods(record);
      if (started.length === 0) return { kind: "done" };
      for (const pod of record.status.pods ?? []) this.#nudged.delete(pod.uid);
      const message = `started: ${started.join(", ")}`;
      await keeper.change(record, { type: "recovered", message, afterMs: elapsed }, signal);
      return { kind: "done" };
    }
    const hanging = waiting.filter(({ episode }) => episode.failure.reason === "HangingPull");
    const pauses: number[] = [NOT_RECOVERED_AT_MS - elapsed];
    const due: StrippedPod[] = [];
    // one whose kubelet sits inside a pull feels no nudge
    for (const { pod } of distinctPods(waiting.filter((one) => !hanging.includes(one)))) {
      const step = nextNudge(elapsed, this.#lastNudge(pod, record, elapsed));
      if (step.kind === "nudge") due.push(pod);
      const next = step.kind === "nudge" ? nextNudge(elapsed, elapsed) : step;
      if (next.kind === "wait") pauses.push(next.milliseconds);
    }
    await this.#nudgeAll(due, { record: uid, elapsed }, signal);
    if (elapsed < NOT_RECOVERED_AT_MS) return { kind: "again", afterMs: Math.max(100, Math.min(...pauses)) };
    if (!transitions.some(({ type }) => type === "not_recovered")) {
      const message = (hanging[0] ?? waiting[0])?.episode.failure.message ?? "";
      await keeper.change(record, { type: "not_recovered", message, afterMs: elapsed }, signal);
    }
    return { kind: "done" };
  }

  /** Pods of the record that have got past their image. */
  #startedPods({ metadata, status }: SalvageRecord): readonly string[] {
    const container = status.origin?.container;
    return (status.pods ?? []).flatMap(({ name, uid }) => {
      const pod = this.#options.pods.get(keyOf({ namespace: metadata.namespace, name }));
      if (pod?.uid !== uid) return [];
      return pod.containers.some((one) => one.name === container && hasImage(one)) ? [name] : [];
    });
  }

  /** Milliseconds from the image being visible to the last nudge. */
  #lastNudge(pod: StrippedPod, { metadata, status }: SalvageRecord, elapsed: number): number | undefined {
    const own = this.#nudged.get(pod.uid);
    if (own?.record === metadata.uid) return own.elapsed;
    const visibleAt = asTime(status.completedAt);
    const last = asTime(pod.annotations[ANNOTATIONS.salvagedAt]);
    return last >= visibleAt && last > 0 ? Math.min(elapsed, last - visibleAt) : undefined;
  }

  /** Nudges some at a time: pods of one image wait in hundreds, and each of them for the ones before it. */
  async #nudgeAll(pods: readonly StrippedPod[], nudge: Nudge, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < pods.length; at += NUDGES_AT_ONCE) {
      await Promise.all(pods.slice(at, at + NUDGES_AT_ONCE).map((pod) => this.#nudge(pod, nudge, signal)));
    }
  }

  async #nudge(pod: StrippedPod, nudge: Nudge, signal: AbortSignal): Promise<void> {
    const { api, now } = this.#options;
    const { namespace, name } = pod;
    try {
      await api.patch(PODS, { namespace, name }, nudgePatch(pod.uid, now()), {
        signal,
        subresource: "status",
      });
      this.#nudged.set(pod.uid, nudge);
    } catch (error) {
      // it is gone, or another pod has its name
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

function distinctPods(containers: readonly FailingContainer[]): readonly FailingContainer[] {
  return [...new Map(containers.map((container) => [container.pod.uid, container])).values()];
}
