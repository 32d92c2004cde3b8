/** The event that the controller posts to the webhook relay: `docs/events.schema.json`, `docs/webhooks.md`. */

import { createHash } from "node:crypto";

import type { FailureCause } from "../detect/failure.ts";
import type { RecordTransition, SalvageRecord, TransitionType } from "../objects/salvage-record.ts";
import { overflowNote } from "./kube-event-text.ts";

/** How much a person should care. */
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One transition of one record, told to the world. Keys stand in the order in which they are written. */
export interface EventV1 {
  /** hex sha256 of record and transition: the same for every repeat */
  readonly id: string;
  readonly type: `tote.image.${TransitionType}`;
  /** the cluster */
  readonly source: string;
  /** RFC 3339, as stored in the record */
  readonly time: string;
  /** "namespace/pod"; "namespace/record" for an order */
  readonly subject: string;
  readonly data: EventData;
}

/** What an event says. Texts are "" and numbers 0 where there is nothing to say. */
export interface EventData {
  /** groups the events of one (namespace, owner, image) episode */
  readonly incident: string;
  readonly record: string;
  readonly owner: { readonly kind: string; readonly name: string };
  readonly pod: string;
  readonly namespace: string;
  readonly container: string;
  readonly image: string;
  readonly digest: string;
  readonly cause: FailureCause;
  /** one word, e.g. "ErrImagePull" or "NotAuthorized" */
  readonly reason: string;
  readonly severity: Severity;
  readonly sourceNodes: readonly string[];
  readonly targetNode: string;
  readonly bytes: number;
  readonly durationMs: number;
  readonly attempt: number;
  readonly message: string;
}

const SEVERITY: Readonly<Record<TransitionType, Severity>> = {
  detected: "warning",
  salvageable: "info",
  // the pod runs, and something upstream is broken
  salvaged: "warning",
  salvage_failed: "critical",
  recovered: "info",
  not_recovered: "critical",
  not_actionable: "warning",
  ambiguous: "warning",
  corrupt: "warning",
  pushed: "info",
  push_failed: "warning",
};

/**
 * The event of a transition, from the record alone: what the transition says of itself and what was fixed when the record
 * was first written. Nothing that changes later is looked at, so that every repeat is the same. Pure.
 *
 * @param source `--cluster-name`
 */
export function buildEvent(record: SalvageRecord, transition: RecordTransition, source: string): EventV1 {
  const { metadata, status } = record;
  const { origin } = status;
  const pod = origin?.pod ?? "";
  return {
    id: eventId(metadata.uid, transition.type),
    type: `tote.image.${transition.type}`,
    source,
    time: transition.time,
    subject: `${metadata.namespace}/${pod === "" ? metadata.name : pod}`,
    data: {
      incident: origin?.incident ?? "",
      record: metadata.name,
      owner: { kind: origin?.ownerKind ?? "", name: origin?.ownerName ?? "" },
      pod,
      namespace: metadata.namespace,
      container: origin?.container ?? "",
      image: origin?.image ?? "",
      digest: transition.digest ?? "",
      cause: origin?.cause ?? "unknown",
      reason: transition.reason,
      severity: SEVERITY[transition.type],
      sourceNodes: [...(transition.sources ?? [])],
      targetNode: origin?.targetNode ?? "",
      bytes: transition.bytes ?? 0,
      durationMs: transition.durationMs ?? 0,
      attempt: transition.attempt ?? 0,
      message: transition.message,
    },
  };
}

/**
 * The event that sums up refusals beyond the bound of records. There is no record to build it from: whoever sends it keeps
 * what was built until it is delivered. Pure.
 *
 * @param options.instance which controller says so, part of the id: another one counts anew
 * @param options.now milliseconds since 1970; one event in each hour
 */
export function buildOverflowEvent(options: {
  readonly refused: number;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly instance: string;
  readonly source: string;
  readonly now: number;
}): EventV1 {
  const { refused, lease, instance, source, now } = options;
  const time = new Date(now).toISOString();
  const hour = time.slice(0, 13);
  const text = ["overflow", source, lease.namespace, lease.name, instance, hour].join("\n");
  const id = createHash("sha256").update(text).digest("hex");
  return {
    id,
    type: "tote.image.not_actionable",
    source,
    time,
    subject: `${lease.namespace}/${lease.name}`,
    data: {
      incident: id.slice(0, 32),
      record: lease.name,
      owner: { kind: "Lease", name: lease.name },
      pod: "",
      namespace: lease.namespace,
      container: "",
      image: "",
      digest: "",
      cause: "unknown",
      reason: "TooManyRefused",
      severity: SEVERITY.not_actionable,
      sourceNodes: [],
      targetNode: "",
      bytes: 0,
      durationMs: 0,
      attempt: 0,
      message: overflowNote(refused),
    },
  };
}

/** The bytes that are posted: JSON in the order of {@link EventV1}. */
export function serialiseEvent(event: EventV1): string {
  return JSON.stringify(event);
}

/** The id of a record's transition: 64 hex digits. */
export function eventId(recordUid: string, type: TransitionType): string {
  return createHash("sha256").update(`${recordUid}\n${type}`).digest("hex");
}
