import type { AgentQuestions } from "../agents/agent-questions.ts";
import type { ImportDriver } from "../agents/import-driver.ts";
import { subjectOf, type ClusterObjects } from "../cluster-view.ts";
import { dispositionOf } from "../detect/disposition.ts";
import type { FailingContainer, FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import { PRIORITIES, priorityOf, type OptIn, type Priority } from "../detect/opt-in.ts";
import type { Outcome } from "../kube/workers.ts";
import { keyOf } from "../kube/resources.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { hasImage } from "../detect/detect-failures.ts";
import type { Recovery } from "../recover/recovery.ts";
import { legacyStatus } from "./legacy.ts";
import { checkOrder, readOrder } from "./order.ts";
import type { Planner, PlanRequest } from "./planner.ts";
import type { ImageFinder } from "./image-finder.ts";
import type { FailedReason, RefusedReason } from "./reasons.ts";
import type { RecordBook } from "./record-book.ts";
import { RecordInvalidError, type RecordKeeper } from "./record-keeper.ts";
import { hasEnded, isLegacy, isOrder } from "./record-state.ts";
import { RecordStateError } from "./apply-change.ts";
import type { FirstStatus } from "./first-status.ts";
import { leadingFailure } from "./salvage-subject.ts";
import { refusalOf } from "./stale-record.ts";
import type { StallWatch } from "./stall-watch.ts";
import type { TransferStarter } from "./transfer-starter.ts";
import type { Transfers } from "./transfers.ts";

/** How often a transfer under way is looked at: owners are not watched, and may opt out. In milliseconds. */
const TRANSFER_CHECK_MS = 5_000;
/** How long ago owners may have been read then, in milliseconds. */
const TRANSFER_OWNERS_MAX_AGE_MS = 4_000;

/** What the work on records needs. */
export interface RecordReconcilerOptions {
  readonly view: ClusterObjects;
  readonly failures: FailureWatch;
  readonly book: RecordBook;
  readonly keeper: RecordKeeper;
  readonly optIn: OptInCheck;
  readonly finder: ImageFinder;
  readonly planner: Planner;
  readonly firstStatus: FirstStatus;
  readonly starter: TransferStarter;
  readonly transfers: Transfers;
  readonly driver: ImportDriver;
  readonly questions: AgentQuestions;
  readonly recovery: Recovery;
  readonly stalls: StallWatch;
}

/** Whether a salvage is still wanted. */
type Wanted =
  | { readonly kind: "yes" }
  /** the pods run without it */
  | { readonly kind: "recovered"; readonly message: string }
  | {
      readonly kind: "no";
      readonly failed: FailedReason;
      readonly refused: RefusedReason;
      readonly message: string;
    };

/**
 * Takes a record one step further, from what it says and what the cluster shows: any controller can go on where another
 * has stopped.
 */
export class RecordReconciler {
  readonly #options: RecordReconcilerOptions;

  constructor(options: RecordReconcilerOptions) {
    this.#options = options;
  }

  /** @param key "namespace/name" */
  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { book, transfers, stalls, starter } = this.#options;
    const record = book.get(key);
    if (record === undefined || record.metadata.isDeleting) {
      transfers.stop(key, "Cancelled", "the record was deleted");
      stalls.forget(key);
      starter.settled(key);
      return { kind: "done" };
    }
    try {
      return await this.#step(key, record, signal);
    } catch (error) {
      // the record has moved on meanwhile: it is looked at again as it is now
      if (error instanceof RecordStateError) return { kind: "retry", error };
      if (error instanceof RecordInvalidError) return { kind: "given-up", error };
      throw error;
    } finally {
      starter.settled(key);
    }
  }

  async #step(key: string, record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { book, keeper, transfers, recovery, firstStatus, stalls, starter } = this.#options;
    if (isLegacy(record)) {
      await book.setStatus(record, legacyStatus(record), signal);
      return { kind: "done" };
    }
    if (hasEnded(record.status)) {
      transfers.forget(key);
      stalls.forget(key);
      return await recovery.step(record, signal);
    }
    if (record.status.phase === undefined) {
      await keeper.change(record, await firstStatus.of(record, signal), signal);
      return { kind: "again", afterMs: 0 };
    }
    if (stalls.isStalled(record))
      return await this.#end(record, "Stalled", "nothing has moved for 30 minutes", signal);
    const wanted = await this.#wanted(record, signal);
    // a transfer that was begun may be why they run: it is finished, so that the record tells the truth
    if (wanted.kind === "recovered" && record.status.phase !== "Transferring") {
      await keeper.change(
        record,
        { type: "settled", reason: "RecoveredAlone", message: wanted.message },
        signal,
      );
      return { kind: "done" };
    }
    if (wanted.kind === "no") {
      if (record.status.plan !== undefined)
        return await this.#end(record, wanted.failed, wanted.message, signal);
      await keeper.change(
        record,
        { type: "refused", reason: wanted.refused, message: wanted.message },
        signal,
      );
      return { kind: "done" };
    }
    if (record.status.plan === undefined) return await this.#plan(record, signal);
    if (transfers.isRunning(key)) return { kind: "again", afterMs: TRANSFER_CHECK_MS };
    // asking who wants it took a while, in which the transfer may have ended
    const isOld = book.get(key)?.metadata.resourceVersion !== record.metadata.resourceVersion;
    if (isOld) return { kind: "again", afterMs: 0 };
    return await starter.start(record, record.status.plan, await this.#priority(record, signal), signal);
  }

  async #end(
    record: SalvageRecord,
    reason: FailedReason,
    message: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { transfers, keeper } = this.#options;
    const key = keyOf(record.metadata);
    if (transfers.isRunning(key)) transfers.stop(key, reason, message);
    else await keeper.change(record, { type: "failed", reason, message }, signal);
    return { kind: "done" };
  }

  async #plan(record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { planner, keeper, driver, questions } = this.#options;
    const request = await this.#request(record, signal);
    if (request.kind === "refused") {
      const { reason, message } = request;
      await keeper.change(record, { type: "refused", reason, message }, signal);
      return { kind: "done" };
    }
    const finding = await planner.plan(request.request, signal);
    switch (finding.kind) {
      case "plan":
        await keeper.change(
          record,
          { type: "planned", plan: finding.plan, holders: finding.holders },
          signal,
        );
        return { kind: "again", afterMs: 0 };
      case "refused": {
        const refused = { record, request: request.request, finding, questions };
        await keeper.change(record, await refusalOf(refused, signal), signal);
        return { kind: "done" };
      }
      case "remove": {
        const { targetNode, imageRef } = request.request;
        await driver.removeName(targetNode, imageRef, finding.digest, signal);
        questions.forget(targetNode);
        const message = `nobody has ${finding.digest}, its record was removed from ${targetNode}: ${finding.evidence}`;
        await keeper.change(record, { type: "settled", reason: "StaleRecordRemoved", message }, signal);
        return { kind: "again", afterMs: 0 };
      }
    }
  }

  /** What the record asks for, by the rules of orders: a record that was edited or forged gets no more than one. */
  async #request(
    record: SalvageRecord,
    signal: AbortSignal,
  ): Promise<
    | { readonly kind: "request"; readonly request: PlanRequest }
    | { readonly kind: "refused"; readonly reason: RefusedReason; readonly message: string }
  > {
    const { view, finder, optIn } = this.#options;
    const { namespace } = record.metadata;
    const origin = record.status.origin;
    const lead = leadingFailure(await optIn.asking(this.#failing(record), signal));
    const disposition = lead === undefined ? undefined : dispositionOf(lead.episode.failure);
    if (disposition?.kind === "report" && !isOrder(record)) {
      return { kind: "refused", reason: disposition.reason, message: disposition.message };
    }
    // what the status says was written by a controller; the spec may have been edited since
    const spec = {
      ...record.spec,
      imageRef: origin?.image ?? record.spec.imageRef ?? "",
      targetNode: origin?.targetNode ?? record.spec.targetNode ?? "",
    };
    const reading = readOrder(spec, namespace, view.pods.store.find("namespace", namespace));
    if (reading.kind === "refused") return reading;
    const { order } = reading;
    const isCorrupt = disposition?.kind === "repair";
    const wanted = {
      namespace,
      reference: order.reference,
      targetNode: order.targetNode,
      isCorrupt,
      ...(lead !== undefined && { pod: lead.pod }),
    };
    const resolution = await finder.resolve(wanted, signal);
    const checked = checkOrder(order, resolution);
    if (checked.kind === "refused") return checked;
    const cause = record.status.cause ?? origin?.cause ?? "unknown";
    return { kind: "request", request: { ...wanted, imageRef: order.imageRef, cause, resolution } };
  }

  async #wanted(record: SalvageRecord, signal: AbortSignal): Promise<Wanted> {
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
  async #priority(record: SalvageRecord, signal: AbortSignal): Promise<Priority> {
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
