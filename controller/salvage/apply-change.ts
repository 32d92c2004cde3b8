/** The state machine of records: Pending -> Transferring -> Completed | Failed | Refused. */

import { RECORD_MESSAGE_MAX_CHARS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import type { RecordPhase, SalvageRecordStatus } from "../objects/salvage-record.ts";
import { cutText } from "../objects/text.ts";
import type { CompletedReason } from "./reasons.ts";
import type { RecordChange } from "./record-change.ts";
import {
  addSalvageable,
  addTransition,
  attemptSources,
  byteFields,
  podFields,
  setCondition,
  type TransitionDetails,
} from "./record-parts.ts";
import { owedTransitions } from "./record-state.ts";

/** A change that the state of the record does not allow: a mistake of the caller. */
export class RecordStateError extends Error {
  override readonly name = "RecordStateError";
}

type Phase = RecordPhase | "New";
type Change<Type extends RecordChange["type"]> = Extract<RecordChange, { readonly type: Type }>;

const ALLOWED: Readonly<Record<RecordChange["type"], readonly Phase[]>> = {
  detected: ["New"],
  pods: ["Pending", "Transferring"],
  cause: ["Pending", "Transferring", "Completed", "Failed", "Refused"],
  planned: ["Pending"],
  refused: ["Pending"],
  started: ["Pending", "Transferring"],
  progress: ["Transferring"],
  retry: ["Transferring"],
  salvaged: ["Transferring"],
  settled: ["Pending", "Transferring"],
  failed: ["Pending", "Transferring"],
  recovered: ["Completed"],
  not_recovered: ["Completed"],
  notified: ["Pending", "Transferring", "Completed", "Failed", "Refused"],
};

/** Changes that are no progress: they must not keep an open record from ending. */
const SILENT: ReadonlySet<RecordChange["type"]> = new Set(["notified", "cause", "pods"]);

/**
 * The status after a change. Pure; the status given stays as it is.
 * @param now milliseconds since 1970
 * @throws RecordStateError when the phase does not allow the change
 */
export function applyChange(
  status: SalvageRecordStatus,
  change: RecordChange,
  now: number,
): SalvageRecordStatus {
  const phase = status.phase ?? "New";
  if (!ALLOWED[change.type].includes(phase)) {
    throw new RecordStateError(
      `a record in phase ${phase} cannot be changed by "${change.type}", only in ${ALLOWED[change.type].join(", ")}`,
    );
  }
  const after = changed(status, change, now);
  return SILENT.has(change.type) ? after : { ...after, progressAt: rfc3339(now) };
}

function changed(status: SalvageRecordStatus, change: RecordChange, now: number): SalvageRecordStatus {
  switch (change.type) {
    case "detected":
      return detected(change, now);
    case "pods":
      return { ...status, ...podFields(change.pods) };
    case "cause":
      return { ...status, cause: change.cause };
    case "planned":
      return planned(status, change, now);
    case "refused":
      return refused(status, change, now);
    case "started":
      return started(status, change, now);
    case "progress":
      return { ...status, ...byteFields(status, change) };
    case "retry":
      return { ...status, reason: "Retrying", message: cutMessage(change.message) };
    case "salvaged":
      return salvaged(status, change, now);
    case "settled":
      return settled(status, change, now);
    case "failed":
      return failed(status, change, now);
    case "recovered":
    case "not_recovered":
      return watched(status, change, now);
    case "notified":
      return notified(status, change, now);
  }
}

function detected(change: Change<"detected">, now: number): SalvageRecordStatus {
  const { origin, digest, isCorrupt } = change;
  const details = {
    reason: change.reason,
    message: cutMessage(change.message),
    ...(digest !== undefined && { digest }),
  };
  const first = addTransition([], "detected", details, now);
  return {
    phase: "Pending",
    reason: "Detected",
    message: details.message,
    origin,
    cause: origin.cause,
    ...(digest !== undefined && { digest }),
    transitions: isCorrupt ? addTransition(first, "corrupt", details, now) : first,
    ...podFields(change.pods),
  };
}

function planned(
  status: SalvageRecordStatus,
  { plan, holders }: Change<"planned">,
  now: number,
): SalvageRecordStatus {
  return {
    ...status,
    reason: "Planned",
    message: cutMessage(plan.evidence),
    plan,
    digest: plan.digest,
    transitions: addSalvageable(status.transitions, { digest: plan.digest, holders }, now),
    conditions: setCondition(
      status.conditions,
      { type: "Authorized", status: "True", reason: "Evidence", message: plan.evidence },
      now,
    ),
  };
}

function refused(status: SalvageRecordStatus, change: Change<"refused">, now: number): SalvageRecordStatus {
  const { salvageable } = change;
  if (salvageable !== undefined) {
    return {
      ...ended(status, "Refused", change, now),
      digest: salvageable.digest,
      transitions: addSalvageable(status.transitions, salvageable, now),
    };
  }
  const type = change.reason === "ImageAmbiguous" ? "ambiguous" : "not_actionable";
  const condition = {
    type: "Authorized",
    status: "False",
    reason: change.reason,
    message: change.message,
  } as const;
  return {
    ...ended(status, "Refused", change, now),
    transitions: addTransition(status.transitions, type, detailsOf(status, change), now),
    ...(change.reason === "NotAuthorized" && {
      conditions: setCondition(status.conditions, condition, now),
    }),
  };
}

function started(status: SalvageRecordStatus, change: Change<"started">, now: number): SalvageRecordStatus {
  if (status.plan === undefined) throw new RecordStateError("a record without a plan cannot be started");
  return {
    ...status,
    phase: "Transferring",
    reason: "Transferring",
    message: change.sources.length === 0 ? "from the node itself" : `from ${change.sources.join(", ")}`,
    plan: { ...status.plan, sources: change.sources },
    sources: attemptSources(status, change.sources),
    attempts: (status.attempts ?? 0) + 1,
    startedAt: status.startedAt ?? rfc3339(now),
  };
}

function salvaged(status: SalvageRecordStatus, change: Change<"salvaged">, now: number): SalvageRecordStatus {
  const reason: CompletedReason = "Salvaged";
  const sources = attemptSources(status, change.sources);
  const message = sources.length === 0 ? "was on the node already" : `from ${sources.join(", ")}`;
  const after = {
    ...ended(status, "Completed", { reason, message }, now),
    ...byteFields(status, change),
    progress: "100%",
    configDigest: change.configDigest,
    sources,
  };
  return {
    ...after,
    transitions: addTransition(
      after.transitions,
      "salvaged",
      detailsOf(after, { reason, message }, now),
      now,
    ),
    conditions: setCondition(
      after.conditions,
      { type: "Visible", status: "True", reason: "ImageStatus", message: "the kubelet sees the image" },
      now,
    ),
  };
}

function settled(status: SalvageRecordStatus, change: Change<"settled">, now: number): SalvageRecordStatus {
  const after = ended(status, "Completed", change, now);
  if (change.reason !== "RecoveredAlone") return after;
  return {
    ...after,
    transitions: addTransition(after.transitions, "recovered", detailsOf(status, change), now),
    conditions: setCondition(
      after.conditions,
      { type: "Recovered", status: "True", reason: change.reason, message: change.message },
      now,
    ),
  };
}

function failed(status: SalvageRecordStatus, change: Change<"failed">, now: number): SalvageRecordStatus {
  return {
    ...ended(status, "Failed", change, now),
    error: cutMessage(change.message),
    transitions: addTransition(status.transitions, "salvage_failed", detailsOf(status, change, now), now),
  };
}

function watched(
  status: SalvageRecordStatus,
  change: Change<"recovered"> | Change<"not_recovered">,
  now: number,
): SalvageRecordStatus {
  const isRecovered = change.type === "recovered";
  const reason = isRecovered ? "Started" : "StillWaiting";
  const since = asTime(status.completedAt);
  const details: TransitionDetails = {
    ...detailsOf(status, { reason, message: change.message }),
    durationMs: Math.round(change.afterMs ?? Math.max(0, now - since)),
  };
  return {
    ...status,
    transitions: addTransition(status.transitions, change.type, details, now),
    conditions: setCondition(
      status.conditions,
      { type: "Recovered", status: isRecovered ? "True" : "False", reason, message: change.message },
      now,
    ),
  };
}

function notified(status: SalvageRecordStatus, change: Change<"notified">, now: number): SalvageRecordStatus {
  const transitions = (status.transitions ?? []).map((transition) =>
    change.types.includes(transition.type) ? { ...transition, notified: true } : transition,
  );
  const owed = owedTransitions({ transitions }, change.wanted).length;
  const condition = {
    type: "Notified",
    status: owed === 0 ? "True" : "False",
    reason: owed === 0 ? "Delivered" : "Owing",
    message: owed === 0 ? "the relay has every transition" : `${owed} transitions are owed`,
  } as const;
  return { ...status, transitions, conditions: setCondition(status.conditions, condition, now) };
}

function ended(
  status: SalvageRecordStatus,
  phase: RecordPhase,
  { reason, message }: { readonly reason: string; readonly message: string },
  now: number,
): SalvageRecordStatus {
  return { ...status, phase, reason, message: cutMessage(message), completedAt: rfc3339(now) };
}

/** What an event says beside its type; with `now` also how long the transfer took. */
function detailsOf(
  status: SalvageRecordStatus,
  { reason, message }: { readonly reason: string; readonly message: string },
  now?: number,
): TransitionDetails {
  const { digest, startedAt, attempts, bytesTransferred } = status;
  const sources = status.sources ?? status.plan?.sources;
  return {
    reason,
    message: cutMessage(message),
    ...(digest !== undefined && { digest }),
    ...(sources !== undefined && { sources }),
    ...(bytesTransferred !== undefined && { bytes: bytesTransferred }),
    ...(attempts !== undefined && { attempt: attempts }),
    ...(now !== undefined && startedAt !== undefined && { durationMs: Math.max(0, now - asTime(startedAt)) }),
  };
}

function cutMessage(message: string): string {
  return cutText(message, RECORD_MESSAGE_MAX_CHARS);
}

function rfc3339(now: number): string {
  return new Date(now).toISOString();
}
