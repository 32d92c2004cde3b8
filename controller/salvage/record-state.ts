/** What a record is and how far: questions that need its fields only. */

import { PROGRESS_WRITE_INTERVAL_MS, RECORD_STALL_MS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import {
  MANAGED_BY,
  RECORD_LABELS,
  type RecordTransition,
  type SalvageRecord,
  type SalvageRecordStatus,
  type TransitionType,
} from "../objects/salvage-record.ts";

/** Whether it will not change any more, but for recovery and notification. */
export function hasEnded({ phase }: SalvageRecordStatus): boolean {
  return phase === "Completed" || phase === "Failed" || phase === "Refused";
}

/** Left behind by the original tote, which lost its status: history, never acted on. */
export function isLegacy({ metadata, spec, status }: SalvageRecord): boolean {
  return (
    spec.sourceNode !== undefined &&
    spec.sourceNode !== "" &&
    status.phase === undefined &&
    metadata.labels[RECORD_LABELS.managedBy] !== MANAGED_BY
  );
}

/** Made by hand. The label gives no rights: without a plan in its status every record is authorised anew. */
export function isOrder(record: SalvageRecord): boolean {
  return record.metadata.labels[RECORD_LABELS.managedBy] !== MANAGED_BY && !isLegacy(record);
}

/**
 * Whether an open record has not moved for so long that it must end.
 * @param now milliseconds since 1970
 */
export function isStalled({ metadata, status }: SalvageRecord, now: number): boolean {
  const moved = Math.max(asTime(status.progressAt), asTime(metadata.creationTimestamp));
  return !hasEnded(status) && moved > 0 && now - moved >= RECORD_STALL_MS;
}

/** Whether it is time to write progress again; the last write was at `progressAt`. */
export function isProgressDue(status: SalvageRecordStatus, now: number): boolean {
  const last = asTime(status.progressAt);
  // a clock that was set back must not silence progress
  return now < last || now - last >= PROGRESS_WRITE_INTERVAL_MS;
}

/** Transitions that the relay must still get, oldest first. */
export function owedTransitions(
  status: SalvageRecordStatus,
  wanted: ReadonlySet<TransitionType>,
): readonly RecordTransition[] {
  return (status.transitions ?? []).filter(({ type, notified }) => !notified && wanted.has(type));
}

/**
 * Whether a record has served its time: ended for `ttlMs`, and owing nothing. A time to live of 0 keeps all.
 * @param now milliseconds since 1970
 */
export function isReapable(
  { status, metadata }: SalvageRecord,
  options: { readonly now: number; readonly ttlMs: number; readonly wanted: ReadonlySet<TransitionType> },
): boolean {
  const { now, ttlMs, wanted } = options;
  if (ttlMs === 0 || !hasEnded(status) || metadata.isDeleting) return false;
  const completed = asTime(status.completedAt);
  return completed > 0 && now - completed >= ttlMs && owedTransitions(status, wanted).length === 0;
}
