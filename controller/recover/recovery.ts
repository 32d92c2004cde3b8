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
}

/** How long after its end a record is watched for its pods to start, in milliseconds. */
const WATCHED_MS = 60 * 60_000;

/** How many patches of one record are on their way to the API server at once. */
const NUDGES_AT_ONCE = 10;

/** Wakes the kubelet once an image is there, and sees whether the pods start. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** by pod uid: when it was nudged last; the watch may not have told of it yet */
  readonly #nudged = new Map<string, number>();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** The next step for a completed record. */
  async step(record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { failures, optIn, keeper, now } = this.#options;
    const { reason, transitions = [] } = record.status;
    const isDone = transitions.some(({ type }) => type === "recovered");
    if (reason !== "Salvaged" && reason !== "StaleRecordRemoved") return { kind: "done" };
    const visibleAt = asTime(record.status.completedAt);
    const elapsed = Math.max(0, now() - visibleAt);
    if (elapsed > WATCHED_MS) return { kind: "done" };
    const waiting = await optIn.asking(failures.failing(subjectOf(record)), signal);
    if (isDone && (waiting.length === 0 || elapsed >= NOT_RECOVERED_AT_MS)) return { kind: "done" };
    if (waiting.length === 0) {
      const started = this.#startedPods(record);
      if (started.length === 0) return { kind: "done" };
      for (const { uid } of record.status.pods ?? []) this.#nudged.delete(uid);
      const message = `started: ${started.join(", ")}`;
      await keeper.change(record, { type: "recovered", message }, signal);
      return { kind: "done" };
    }
    const hanging = waiting.filter(({ episode }) => episode.failure.reason === "HangingPull");
    const pauses: number[] = [NOT_RECOVERED_AT_MS - elapsed];
    const due: StrippedPod[] = [];
    // one whose kubelet sits inside a pull feels no nudge
    for (const { pod } of distinctPods(waiting.filter((one) => !hanging.includes(one)))) {
      const step = nextNudge(elapsed, this.#lastNudge(pod, visibleAt));
      if (step.kind === "nudge") due.push(pod);
      const next = step.kind === "nudge" ? nextNudge(elapsed, elapsed) : step;
      if (next.kind === "wait") pauses.push(next.milliseconds);
    }
    await this.#nudgeAll(due, signal);
    if (elapsed < NOT_RECOVERED_AT_MS) return { kind: "again", afterMs: Math.max(100, Math.min(...pauses)) };
    if (!transitions.some(({ type }) => type === "not_recovered")) {
      const message = (hanging[0] ?? waiting[0])?.episode.failure.message ?? "";
      await keeper.change(record, { type: "not_recovered", message }, signal);
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
  #lastNudge(pod: StrippedPod, visibleAt: number): number | undefined {
    const last = Math.max(this.#nudged.get(pod.uid) ?? 0, asTime(pod.annotations[ANNOTATIONS.salvagedAt]));
    return last >= visibleAt && last > 0 ? last - visibleAt : undefined;
  }

  /** Nudges some at a time: pods of one image wait in hundreds, and each of them for the ones before it. */
  async #nudgeAll(pods: readonly StrippedPod[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < pods.length; at += NUDGES_AT_ONCE) {
      await Promise.all(pods.slice(at, at + NUDGES_AT_ONCE).map((pod) => this.#nudge(pod, signal)));
    }
  }

  async #nudge(pod: StrippedPod, signal: AbortSignal): Promise<void> {
    const { api, now } = this.#options;
    const { namespace, name } = pod;
    try {
      await api.patch(PODS, { namespace, name }, nudgePatch(pod.uid, now()), {
        signal,
        subresource: "status",
      });
      this.#nudged.set(pod.uid, now());
    } catch (error) {
      // it is gone, or another pod has its name
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

function distinctPods(containers: readonly FailingContainer[]): readonly FailingContainer[] {
  return [...new Map(containers.map((container) => [container.pod.uid, container])).values()];
}
