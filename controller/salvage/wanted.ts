import { subjectOf, type ClusterObjects } from "../cluster-view.ts";
import { hasImage } from "../detect/detect-failures.ts";
import type { FailingContainer, FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import { PRIORITIES, priorityOf, type OptIn, type Priority } from "../detect/opt-in.ts";
import { keyOf } from "../kube/resources.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { FailedReason, RefusedReason } from "./reasons.ts";
import { isOrder } from "./record-state.ts";

/** How long ago owners may have been read for a transfer under way, in milliseconds. */
const TRANSFER_OWNERS_MAX_AGE_MS = 4_000;

/** Whether a salvage is still wanted. */
export type Wanted =
  | { readonly kind: "yes" }
  /** the pods run without it */
  | { readonly kind: "recovered"; readonly message: string }
  | {
      readonly kind: "no";
      readonly failed: FailedReason;
      readonly refused: RefusedReason;
      readonly message: string;
    };

/** What wishes rest on. */
export interface WantedCheckOptions {
  readonly view: ClusterObjects;
  readonly failures: Pick<FailureWatch, "failing">;
  readonly optIn: OptInCheck;
}

/** Tells whether somebody still waits for what a record is about, and may have help. */
export class WantedCheck {
  readonly #options: WantedCheckOptions;

  constructor(options: WantedCheckOptions) {
    this.#options = options;
  }

  /** Whether the salvage of an open record is still wanted. */
  async of(record: SalvageRecord, signal: AbortSignal): Promise<Wanted> {
    const { view, optIn } = this.#options;
    const targetNode = record.status.origin?.targetNode ?? record.spec.targetNode ?? "";
    const isOurs = !isOrder(record);
    const node = view.nodes.store.get(targetNode);
    if (node === undefined || node.isDeleting) {
      const message = `node ${targetNode === "" ? "(none)" : targetNode} is not there`;
      return { kind: "no", failed: "TargetGone", refused: isOurs ? "NoAgent" : "OrderInvalid", message };
    }
    const failing = this.#failing(record);
    if (isOurs && failing.length === 0) return this.#withoutPods(record);
    const voice = isOurs
      ? await this.#optedIn(failing, record.status.phase === "Transferring", signal)
      : optIn.ofNamespace(record.metadata.namespace);
    if (voice.allowed) return { kind: "yes" };
    return { kind: "no", failed: "OptedOut", refused: voice.reason, message: voice.message };
  }

  #withoutPods({ metadata, status }: SalvageRecord): Wanted {
    const { view } = this.#options;
    const container = status.origin?.container;
    const started = (status.pods ?? []).filter(({ name, uid }) => {
      const pod = view.pods.store.get(keyOf({ namespace: metadata.namespace, name }));
      return pod?.uid === uid && pod.containers.some((one) => one.name === container && hasImage(one));
    });
    if (started.length > 0) {
      return {
        kind: "recovered",
        message: `started without help: ${started.map(({ name }) => name).join(", ")}`,
      };
    }
    const message = "every pod that waited for the image is gone";
    return { kind: "no", failed: "TargetGone", refused: "NoSource", message };
  }

  /** The first pod that has asked for help speaks for all. */
  async #optedIn(
    failing: readonly FailingContainer[],
    isUnderway: boolean,
    signal: AbortSignal,
  ): Promise<OptIn> {
    const maxAgeMs = isUnderway ? TRANSFER_OWNERS_MAX_AGE_MS : undefined;
    let last: OptIn | undefined;
    for (const pod of new Set(failing.map((container) => container.pod))) {
      last = (await this.#options.optIn.ofPod(pod, signal, maxAgeMs)).optIn;
      if (last.allowed) return last;
    }
    return last ?? { allowed: false, reason: "WorkloadNotOptedIn", message: "no pod asks for it" };
  }

  /** That of the most urgent pod that has asked for help. */
  async priority(record: SalvageRecord, signal: AbortSignal): Promise<Priority> {
    if (isOrder(record)) return "normal";
    const asked = new Set<Priority>();
    for (const pod of new Set(this.#failing(record).map((container) => container.pod))) {
      const { optIn, owners } = await this.#options.optIn.ofPod(pod, signal);
      if (optIn.allowed) asked.add(priorityOf(pod.annotations, owners));
      if (asked.has("high")) break;
    }
    return PRIORITIES.find((priority) => asked.has(priority)) ?? "normal";
  }

  #failing(record: SalvageRecord): readonly FailingContainer[] {
    return this.#options.failures.failing(subjectOf(record));
  }
}
