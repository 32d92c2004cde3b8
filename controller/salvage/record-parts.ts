/** Pieces of a record's status. */

import { EVIDENCE_MAX, RECORD_MESSAGE_MAX_CHARS, RECORD_PODS_MAX } from "../limits.ts";
import {
  CONDITION_TYPES,
  type RecordCondition,
  type RecordPod,
  type RecordTransition,
  type SalvageRecordStatus,
  type TransitionType,
} from "../objects/salvage-record.ts";
import { cutText } from "../objects/text.ts";
import type { TransferBytes } from "./record-change.ts";

/** What a transition says beside type and time. */
export type TransitionDetails = Omit<RecordTransition, "type" | "time" | "notified">;

/**
 * Appends a transition that the relay does not have yet. One that is there already stays as it is: each happens once per
 * record, and its event must not change.
 * @param now milliseconds since 1970
 */
export function addTransition(
  transitions: readonly RecordTransition[] | undefined,
  type: TransitionType,
  details: TransitionDetails,
  now: number,
): readonly RecordTransition[] {
  const before = transitions ?? [];
  if (before.some((transition) => transition.type === type)) return before;
  const { sources } = details;
  const bounded = sources === undefined ? details : { ...details, sources: sources.slice(0, EVIDENCE_MAX) };
  return [...before, { type, time: new Date(now).toISOString(), notified: false, ...bounded }];
}

/** Tells that nodes have the image and that it may be moved. */
export function addSalvageable(
  transitions: readonly RecordTransition[] | undefined,
  { digest, holders }: { readonly digest: string; readonly holders: readonly string[] },
  now: number,
): readonly RecordTransition[] {
  const message = cutText(`on ${holders.length} nodes: ${holders.join(", ")}`, RECORD_MESSAGE_MAX_CHARS);
  const details = { reason: "SourcesFound", message, digest, sources: holders };
  return addTransition(transitions, "salvageable", details, now);
}

/** Sets a condition; its time changes only when its status does. Conditions keep one order. */
export function setCondition(
  conditions: readonly RecordCondition[] | undefined,
  condition: Omit<RecordCondition, "lastTransitionTime">,
  now: number,
): readonly RecordCondition[] {
  const before = (conditions ?? []).find(({ type }) => type === condition.type);
  const isSame = before?.status === condition.status;
  const updated: RecordCondition = {
    ...condition,
    message: cutText(condition.message, RECORD_MESSAGE_MAX_CHARS),
    lastTransitionTime: isSame ? before.lastTransitionTime : new Date(now).toISOString(),
  };
  const others = (conditions ?? []).filter(({ type }) => type !== condition.type);
  return [...others, updated].sort(
    (a, b) => CONDITION_TYPES.indexOf(a.type) - CONDITION_TYPES.indexOf(b.type),
  );
}

/** The pods that wait: some by name, all by number. */
export function podFields(pods: readonly RecordPod[]): Pick<SalvageRecordStatus, "pods" | "podCount"> {
  return { pods: pods.slice(0, RECORD_PODS_MAX), podCount: pods.length };
}

/**
 * Bytes, and the share of them that is there. An attempt that moves nothing finds what one before it has brought: that
 * stays told.
 */
export function byteFields(status: SalvageRecordStatus, bytes: TransferBytes): Partial<SalvageRecordStatus> {
  const moved = status.bytesTransferred ?? 0;
  if (bytes.bytesTransferred === 0 && moved > 0) {
    const bytesTotal = Math.max(bytes.bytesTotal, status.bytesTotal ?? 0);
    const bytesReused = Math.max(0, Math.min(bytes.bytesReused, bytesTotal - moved));
    return byteFields({}, { bytesTotal, bytesTransferred: moved, bytesReused });
  }
  const { bytesTotal, bytesTransferred, bytesReused } = bytes;
  const share = bytesTotal === 0 ? 0 : (bytesTransferred + bytesReused) / bytesTotal;
  const progress = `${Math.min(100, Math.floor(share * 100))}%`;
  return { bytesTotal, bytesTransferred, bytesReused, progress };
}

/** Nodes that bytes come from: those of an earlier attempt where this one needs none, because they have come. */
export function attemptSources(status: SalvageRecordStatus, sources: readonly string[]): readonly string[] {
  return sources.length === 0 ? (status.sources ?? []) : sources;
}
