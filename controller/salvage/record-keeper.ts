import { describeError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { isInvalid } from "../kube/api-error.ts";
import { keyOf } from "../kube/resources.ts";
import type { RecordTransition, SalvageRecord } from "../objects/salvage-record.ts";
import { asTime } from "../objects/json.ts";
import type { ControllerMetrics } from "../report/metrics.ts";
import { RecordStateError } from "./apply-change.ts";
import type { ChangeResult, RecordBook } from "./record-book.ts";
import type { RecordChange } from "./record-change.ts";

/** The API server has refused a change as invalid: the same again would be refused again. */
export class RecordInvalidError extends Error {
  override readonly name = "RecordInvalidError";
}

/** Changes records, and counts and logs what happens with each change that was written. */
export class RecordKeeper {
  readonly #book: RecordBook;
  readonly #metrics: ControllerMetrics;
  readonly #logger: Logger;
  readonly #onTransition: (key: string) => void;

  /** @param options.onTransition called with the key of a record that has something new to tell */
  constructor(options: {
    readonly book: RecordBook;
    readonly metrics: ControllerMetrics;
    readonly logger: Logger;
    readonly onTransition: (key: string) => void;
  }) {
    this.#book = options.book;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
    this.#onTransition = options.onTransition;
  }

  /**
   * Writes a change and returns the record as it is then. An open record whose change the API server refuses as invalid
   * ends in Failed: what the change would have written is left out, but for the API server's reason.
   * @throws RecordInvalidError; else as RecordBook.change
   */
  async change(record: SalvageRecord, change: RecordChange, signal: AbortSignal): Promise<SalvageRecord> {
    const key = keyOf(record.metadata);
    const { record: after, changed } = await this.#write(key, record, change, signal);
    if (!changed) return after;
    if (change.type === "started") this.#metrics.attempt();
    const known = new Set((record.status.transitions ?? []).map(({ type }) => type));
    const fresh = (after.status.transitions ?? []).filter(({ type }) => !known.has(type));
    for (const transition of fresh) {
      this.#count(transition, after);
      const { type, reason, message } = transition;
      this.#logger.info(`image ${type}`, {
        record: key,
        image: after.status.origin?.image,
        targetNode: after.status.origin?.targetNode,
        reason,
        message,
      });
    }
    if (fresh.length > 0) this.#onTransition(key);
    return after;
  }

  async #write(
    key: string,
    record: SalvageRecord,
    change: RecordChange,
    signal: AbortSignal,
  ): Promise<ChangeResult> {
    try {
      return await this.#book.change(key, change, signal);
    } catch (error) {
      if (!isInvalid(error)) throw error;
      this.#logger.error("change of a record refused as invalid", {
        record: key,
        change: change.type,
        error,
      });
      const message = `the API server refuses "${change.type}" as invalid: ${describeError(error)}`;
      if (change.type !== "failed") await this.#end(record, message, signal);
      throw new RecordInvalidError(message, { cause: error });
    }
  }

  async #end(record: SalvageRecord, message: string, signal: AbortSignal): Promise<void> {
    try {
      await this.change(record, { type: "failed", reason: "RecordInvalid", message }, signal);
    } catch (error) {
      // it has ended already, or even its end is refused, which has been said
      if (!(error instanceof RecordStateError || error instanceof RecordInvalidError)) throw error;
    }
  }

  #count(transition: RecordTransition, { status }: SalvageRecord): void {
    const metrics = this.#metrics;
    switch (transition.type) {
      case "salvageable":
        return metrics.salvageable();
      case "not_actionable":
      case "ambiguous":
        return metrics.notActionable();
      case "corrupt":
        return metrics.corrupt();
      case "salvaged":
        return metrics.salvaged(transition.durationMs ?? 0);
      case "salvage_failed":
        return metrics.salvageFailed();
      case "recovered":
        return metrics.recovered(
          transition.durationMs ?? Math.max(0, asTime(transition.time) - asTime(status.completedAt)),
        );
      default:
    }
  }
}
