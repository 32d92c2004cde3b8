import { int } from "./database.ts";
import type { Statements } from "./statements.ts";

/** An event in the order in which they were accepted. */
export interface RetentionPlace {
  /** milliseconds since 1970 */
  readonly acceptedAt: number;
  readonly seq: number;
}

/** Before all events. */
export const RETENTION_BEGIN: RetentionPlace = { acceptedAt: -1, seq: 0 };

/** What may be deleted. */
export interface RetentionStep {
  /** events accepted before, none of whose deliveries is still to be made; milliseconds since 1970 */
  readonly before: number;
  /** dead deliveries that ended since then keep their event */
  readonly deadBefore: number;
  /** events up to this one were looked at in this round */
  readonly after: RetentionPlace;
  readonly max: number;
  readonly now: number;
}

/** What a step has done. */
export interface RetentionResult {
  readonly deleted: number;
  /** for {@link RetentionStep.after} of the next step; undefined when there is nothing left */
  readonly after: RetentionPlace | undefined;
}

/**
 * Deletes some events with their deliveries and attempts, and remembers their ids, so that a late repeat is still known.
 * Inside a transaction: an event goes with all that belongs to it, or not at all.
 * @param midway called between remembering an event and deleting it
 */
export function deleteEnded(
  statements: Statements,
  step: RetentionStep,
  midway: (work: "retention") => void,
): RetentionResult {
  const { before, deadBefore, after, max, now } = step;
  const { acceptedAt: afterTime, seq: afterSeq } = after;
  const rows = statements.agedEvents.all({ before, deadBefore, afterTime, afterSeq, max });
  for (const row of rows) {
    const seq = int(row, "seq");
    statements.buryEvent.run({ seq, now });
    midway("retention");
    statements.deleteEvent.run(seq);
  }
  const last = rows.at(-1);
  return {
    deleted: rows.length,
    after: last === undefined ? undefined : { acceptedAt: int(last, "accepted_at"), seq: int(last, "seq") },
  };
}

/** Deletes what is remembered beside the events and is older than `before`. Inside a transaction. */
export function deleteRemembered(statements: Statements, before: number): void {
  statements.deleteTombstones.run(before);
  statements.deleteWindows.run(before);
  statements.deleteSinkStates.run(before);
  statements.deleteReplays.run(before);
}

/** Which deliveries are too old. */
export interface ExpiryStep {
  readonly subscription: string;
  /** asked for before; milliseconds since 1970 */
  readonly before: number;
  readonly max: number;
  readonly now: number;
  /** why, for people */
  readonly message: string;
}

/**
 * Gives up deliveries that have waited too long. Inside a transaction.
 * @returns how many messages
 */
export function expireDeliveries(statements: Statements, step: ExpiryStep): number {
  const { subscription, before, max, now, message } = step;
  const rows = statements.expire.all({ subscription, before, max, now, message });
  for (const row of rows) {
    statements.endMembers.run({
      lead: int(row, "id"),
      state: "dead",
      ended: now,
      reason: "expired",
      message,
    });
  }
  return rows.length;
}
