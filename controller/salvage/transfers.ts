import { describeError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { AgentQuestions } from "../agents/agent-questions.ts";
import { callError, type ImportDriver, type ImportTask } from "../agents/import-driver.ts";
import { isTransient } from "../kube/api-error.ts";
import { keyOf } from "../kube/resources.ts";
import type { SalvageRecord, SalvageRecordStatus } from "../objects/salvage-record.ts";
import { judgeImportFailure } from "./import-failure.ts";
import type { FailedReason } from "./reasons.ts";
import { RecordInvalidError, type RecordKeeper } from "./record-keeper.ts";
import { byteFields } from "./record-parts.ts";
import { isProgressDue } from "./record-state.ts";
import type { RecordChange, TransferBytes } from "./record-change.ts";
import { retryDelay } from "./retry.ts";
import type { TransferSlot } from "./transfer-slots.ts";

/** Times that the end of an import is tried to be written, half a minute in all. */
const END_WRITES_MAX = 5;

/** A transfer under way. */
interface Running {
  readonly task: ImportTask;
  readonly abort: AbortController;
  /** set when it is stopped on purpose: what the record ends with */
  stopped?: { readonly reason: FailedReason; readonly message: string };
}

/** Whether a source that failed may be asked again when there is no other. */
export type Exclusion = "for now" | "for good";

/** What is remembered of attempts that have failed. */
interface Attempts {
  /** since a byte last arrived */
  failures: number;
  /** sources that failed, with the reason: those that may work again, and those that have not got it */
  readonly excluded: Readonly<Record<Exclusion, Map<string, string>>>;
  /** monotonic milliseconds before which there is no other */
  notBefore: number;
}

/** What transfers work with. */
export interface TransfersOptions {
  readonly driver: ImportDriver;
  readonly keeper: RecordKeeper;
  readonly questions: AgentQuestions;
  /** milliseconds since 1970 */
  readonly now: () => number;
  /** milliseconds of a clock that is never set */
  readonly monotonic: () => number;
  readonly sleep: Clock["sleep"];
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
  /** the record is to be looked at again, after so many milliseconds */
  readonly again: (key: string, afterMs: number) => void;
  /** of the leader's term */
  readonly signal: AbortSignal;
}

/**
 * Runs the transfers of authorised plans and writes into the records how they get on. They run beside the workers, which
 * stay free to stop them.
 */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #running = new Map<string, Running>();
  readonly #attempts = new Map<string, Attempts>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  isRunning(key: string): boolean {
    return this.#running.has(key);
  }

  /** Sources that are not to be asked for this record, with the reason. */
  excluded(key: string, exclusion: Exclusion): ReadonlyMap<string, string> {
    const excluded = this.#attempts.get(key)?.excluded;
    if (excluded === undefined) return new Map();
    const forGood = excluded["for good"];
    return exclusion === "for good" ? forGood : new Map([...excluded["for now"], ...forGood]);
  }

  /** Milliseconds until there may be another attempt, 0 when there may be one now. */
  pauseOf(key: string): number {
    return Math.max(0, (this.#attempts.get(key)?.notBefore ?? 0) - this.#options.monotonic());
  }

  /** Starts a transfer; the slot is given back when it has ended. The record must be in the phase Transferring. */
  start(record: SalvageRecord, task: ImportTask, slot: TransferSlot): void {
    const key = keyOf(record.metadata);
    const running = { task, abort: new AbortController() };
    this.#running.set(key, running);
    const ended = this.#run(record, running).finally(() => {
      this.#running.delete(key);
      this.#tasks.delete(ended);
      slot.release();
      this.#options.again(key, 0);
    });
    this.#tasks.add(ended);
  }

  /** Stops a transfer; the record then ends in Failed with this reason. */
  stop(key: string, reason: FailedReason, message: string): void {
    const running = this.#running.get(key);
    if (running === undefined || running.stopped !== undefined) return;
    running.stopped = { reason, message };
    running.abort.abort(new Error(message));
  }

  /**
   * Has the agent stop an import that runs there without this process: one that a controller before it has begun, or that
   * an attempt has lost sight of. Never rejects but for the signal.
   */
  async cancelLeft(task: ImportTask, signal: AbortSignal): Promise<void> {
    // another record waits for the same
    const isShared = [...this.#running.values()].some(
      ({ task: other }) => other.digest === task.digest && other.targetNode === task.targetNode,
    );
    if (!isShared) await this.#cancel(task, signal);
  }

  /** Forgets a record that has ended. */
  forget(key: string): void {
    this.#attempts.delete(key);
  }

  /** Waits until every transfer has ended; the signal of the term must have fired. */
  async settled(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  async #run(record: SalvageRecord, running: Running): Promise<void> {
    const { driver, questions, logger, signal } = this.#options;
    const { task } = running;
    const key = keyOf(record.metadata);
    const progress = this.#progressOf(record);
    try {
      const outcome = await driver.run(task, progress.take, AbortSignal.any([signal, running.abort.signal]));
      await progress.written();
      await this.#writeEnd(
        record,
        outcome.visible
          ? { type: "salvaged", ...outcome }
          : { type: "failed", reason: "NotVisible", message: outcome.message },
      );
    } catch (error) {
      // importing once more would not make the record valid: the keeper has ended it
      if (signal.aborted || error instanceof RecordInvalidError) return;
      await progress.written();
      await this.#failed(record, running, error).catch((failure: unknown) => {
        // the next look at the record begins where this one ended
        if (!signal.aborted)
          logger.warn("the end of a transfer could not be written", { record: key, error: failure });
      });
    } finally {
      questions.forget(task.targetNode);
    }
  }

  /** Writes how an import has ended, again and again for a while: another import would not know what this one has moved. */
  async #writeEnd(record: SalvageRecord, change: RecordChange): Promise<void> {
    const { keeper, logger, signal, random, sleep } = this.#options;
    for (let failures = 1; ; failures += 1) {
      try {
        await keeper.change(record, change, signal);
        return;
      } catch (error) {
        const pause = isTransient(error) ? retryDelay(failures, random()) : undefined;
        if (signal.aborted || pause === undefined || failures >= END_WRITES_MAX) throw error;
        const key = keyOf(record.metadata);
        logger.warn("the end of an import is not written yet", { record: key, pauseMs: pause, error });
        await sleep(pause, signal);
      }
    }
  }

  async #failed(record: SalvageRecord, { task, stopped }: Running, error: unknown): Promise<void> {
    const { keeper, logger, signal, random, monotonic } = this.#options;
    const key = keyOf(record.metadata);
    if (stopped !== undefined) {
      await this.#cancel(task, signal);
      await keeper.change(record, { type: "failed", ...stopped }, signal);
      return;
    }
    const { facts } = callError(error);
    const verdict = judgeImportFailure(facts, task.sources);
    if (verdict.kind === "permanent") {
      const { message } = facts;
      await keeper.change(record, { type: "failed", reason: verdict.reason, message }, signal);
      return;
    }
    const attempts = this.#attempts.get(key) ?? noAttempts();
    this.#attempts.set(key, attempts);
    attempts.failures += 1;
    const exclusion = verdict.kind === "other_sources" ? "for good" : "for now";
    attempts.excluded["for now"].clear();
    for (const [node, message] of verdict.failed) attempts.excluded[exclusion].set(node, message);
    const pause = retryDelay(attempts.failures, random());
    const message = describeError(error);
    if (pause === undefined) {
      await keeper.change(record, { type: "failed", reason: "AttemptsExhausted", message }, signal);
      return;
    }
    logger.warn("transfer failed, it will be tried again", { record: key, pauseMs: pause, error });
    attempts.notBefore = monotonic() + pause;
    await keeper.change(record, { type: "retry", message }, signal);
  }

  async #cancel(task: ImportTask, signal: AbortSignal): Promise<void> {
    const { driver, logger } = this.#options;
    try {
      await driver.cancel(task, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("import not cancelled, the agent ends it by itself", { record: task.record, error });
    }
  }

  /** Writes progress now and then, never two at once; what comes meanwhile is left out. */
  #progressOf(record: SalvageRecord): {
    readonly take: (bytes: TransferBytes) => void;
    readonly written: () => Promise<void>;
  } {
    const { keeper, now, logger, signal } = this.#options;
    const key = keyOf(record.metadata);
    let latest = record;
    let writing: Promise<void> | undefined;
    let received = 0;
    return {
      take: (bytes) => {
        const attempts = this.#attempts.get(key);
        if (bytes.bytesTransferred > received && received > 0 && attempts !== undefined)
          attempts.failures = 0;
        received = bytes.bytesTransferred;
        // an agent that says the same again and again does not get on: the record must be able to end
        if (isKnown(latest.status, bytes)) return;
        if (writing !== undefined || !isProgressDue(latest.status, now())) return;
        writing = keeper
          .change(latest, { type: "progress", ...bytes }, signal)
          .then(
            (after) => {
              latest = after;
            },
            (error: unknown) => {
              if (!signal.aborted) logger.warn("progress could not be written", { record: key, error });
            },
          )
          .finally(() => {
            writing = undefined;
          });
      },
      written: async () => {
        await writing;
      },
    };
  }
}

/** Whether the record would say the same. */
function isKnown(status: SalvageRecordStatus, bytes: TransferBytes): boolean {
  const { bytesTotal, bytesTransferred, bytesReused } = byteFields(status, bytes);
  return (
    status.bytesTotal === bytesTotal &&
    status.bytesTransferred === bytesTransferred &&
    status.bytesReused === bytesReused
  );
}

function noAttempts(): Attempts {
  return { failures: 0, excluded: { "for now": new Map(), "for good": new Map() }, notBefore: 0 };
}
