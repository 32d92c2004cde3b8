import type { Logger } from "../../lib/log.ts";
import type { AgentQuestions } from "../agents/agent-questions.ts";
import type { ImportDriver } from "../agents/import-driver.ts";
import type { ClusterObjects } from "../cluster-view.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import { isInvalid } from "../kube/api-error.ts";
import type { Outcome } from "../kube/workers.ts";
import { keyOf } from "../kube/resources.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { Recovery } from "../recover/recovery.ts";
import type { AgeWatch } from "./age-watch.ts";
import { legacyStatus } from "./legacy.ts";
import type { Finding, Planner, PlanRequest } from "./planner.ts";
import type { ImageFinder } from "./image-finder.ts";
import type { FailedReason } from "./reasons.ts";
import type { RecordBook } from "./record-book.ts";
import { RecordInvalidError, type RecordKeeper } from "./record-keeper.ts";
import { RecordRequests } from "./record-request.ts";
import { hasEnded, isLegacy } from "./record-state.ts";
import { RecordStateError } from "./apply-change.ts";
import type { FirstStatus } from "./first-status.ts";
import { refusalOf } from "./stale-record.ts";
import type { StallWatch } from "./stall-watch.ts";
import type { TransferStarter } from "./transfer-starter.ts";
import type { Transfers } from "./transfers.ts";
import { WantedCheck } from "./wanted.ts";

/** How often a transfer under way is looked at: owners are not watched, and may opt out. In milliseconds. */
const TRANSFER_CHECK_MS = 5_000;

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
  /** those of recovery */
  readonly ages: AgeWatch;
  /** @throws when this process does not lead any more */
  readonly assertLeading: () => void;
  readonly logger: Logger;
}

/**
 * Takes a record one step further, from what it says and what the cluster shows: any controller can go on where another
 * has stopped.
 */
export class RecordReconciler {
  readonly #options: RecordReconcilerOptions;
  readonly #wanted: WantedCheck;
  readonly #requests: RecordRequests;
  /** keys of records that cannot be read, which has been said */
  readonly #unreadable = new Set<string>();
  /** key and version of records of the original that cannot be marked as such, which has been said */
  readonly #refusedLegacy = new Set<string>();

  constructor(options: RecordReconcilerOptions) {
    this.#options = options;
    this.#wanted = new WantedCheck(options);
    this.#requests = new RecordRequests(options);
  }

  /** @param key "namespace/name" */
  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { book, transfers, stalls, ages, starter } = this.#options;
    const record = book.get(key);
    const problem = book.problemOf(key);
    if (problem === "") this.#unreadable.delete(key);
    if (record === undefined && problem !== "") {
      // it is there: what was begun for it goes on
      if (!this.#unreadable.has(key))
        this.#options.logger.error("record cannot be read", { record: key, problem });
      this.#unreadable.add(key);
      return { kind: "done" };
    }
    if (record === undefined || record.metadata.isDeleting) {
      transfers.stop(key, "Cancelled", "the record was deleted");
      stalls.forget(key);
      ages.forget(key);
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
    const { book, keeper, transfers, recovery, firstStatus, stalls, ages, starter } = this.#options;
    if (isLegacy(record)) return await this.#closeLegacy(key, record, signal);
    if (hasEnded(record.status)) {
      transfers.forget(key);
      stalls.forget(key);
      return await recovery.step(record, signal);
    }
    ages.looked(key);
    if (record.status.phase === undefined) {
      await keeper.change(record, await firstStatus.of(record, signal), signal);
      return { kind: "again", afterMs: 0 };
    }
    if (stalls.isStalled(record))
      return await this.#end(record, "Stalled", "nothing has moved for 30 minutes", signal);
    const wanted = await this.#wanted.of(record, signal);
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
    return await starter.start(
      record,
      record.status.plan,
      await this.#wanted.priority(record, signal),
      signal,
    );
  }

  /** The spec of an old one may break rules that came later: then no write of its status is taken, now or later. */
  async #closeLegacy(key: string, record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const state = `${key} ${record.metadata.resourceVersion}`;
    if (this.#refusedLegacy.has(state)) return { kind: "done" };
    try {
      await this.#options.book.setStatus(record, legacyStatus(record), signal);
      return { kind: "done" };
    } catch (error) {
      if (!isInvalid(error)) throw error;
      this.#refusedLegacy.add(state);
      return { kind: "given-up", error };
    }
  }

  async #end(
    record: SalvageRecord,
    reason: FailedReason,
    message: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { transfers, keeper, starter } = this.#options;
    const key = keyOf(record.metadata);
    if (transfers.isRunning(key)) {
      transfers.stop(key, reason, message);
      return { kind: "done" };
    }
    const { phase, plan } = record.status;
    // an agent goes on for a while without the controller that asked it
    if (phase === "Transferring" && plan !== undefined) await starter.cancelLeft(key, plan, signal);
    await keeper.change(record, { type: "failed", reason, message }, signal);
    return { kind: "done" };
  }

  async #plan(record: SalvageRecord, signal: AbortSignal): Promise<Outcome> {
    const { planner, keeper, questions } = this.#options;
    const request = await this.#requests.of(record, signal);
    if (request.kind === "refused") {
      const { reason, message } = request;
      await keeper.change(record, { type: "refused", reason, message }, signal);
      return { kind: "done" };
    }
    let finding = await planner.plan(request.request, signal);
    if (finding.kind === "remove") finding = await this.#lookAgain(request.request, signal);
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
      case "remove":
        return await this.#remove(record, request.request, finding, signal);
    }
  }

  /** What is to be done by what every node says now: nothing is removed because of an answer that is minutes old. */
  async #lookAgain(request: PlanRequest, signal: AbortSignal): Promise<Finding> {
    const { planner, questions, view } = this.#options;
    for (const node of view.nodes.store.keys()) questions.forget(node);
    const { resolution: _old, ...anew } = request;
    return await planner.plan(anew, signal);
  }

  async #remove(
    record: SalvageRecord,
    { targetNode, imageRef }: PlanRequest,
    { digest, evidence }: Extract<Finding, { readonly kind: "remove" }>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { keeper, driver, questions, assertLeading } = this.#options;
    // no grant and no epoch goes with it
    assertLeading();
    await driver.removeName(targetNode, imageRef, digest, signal);
    questions.forget(targetNode);
    const message = `nobody has ${digest}, its record was removed from ${targetNode}: ${evidence}`;
    await keeper.change(record, { type: "settled", reason: "StaleRecordRemoved", message }, signal);
    return { kind: "again", afterMs: 0 };
  }
}
