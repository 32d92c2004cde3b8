import { createHash } from "node:crypto";

import { INCIDENT_WINDOW_MS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { hasEnded } from "./record-state.ts";

/** What incidents are told apart by. */
export interface IncidentSubject {
  readonly namespace: string;
  readonly ownerKind: string;
  readonly ownerName: string;
  /** as the pod writes it */
  readonly image: string;
}

/**
 * The incident that a new record belongs to: that of a record of the same namespace, owner and image that is open or
 * ended a short while ago, whatever its node; else a new one. 32 hex digits. Pure.
 *
 * @param now milliseconds since 1970
 */
export function chooseIncident(
  subject: IncidentSubject,
  records: readonly SalvageRecord[],
  now: number,
): string {
  const { namespace, ownerKind, ownerName, image } = subject;
  const current = records
    .filter((record) => record.metadata.namespace === namespace && isRecent(record, now))
    .sort((a, b) => asTime(a.metadata.creationTimestamp) - asTime(b.metadata.creationTimestamp))
    .map((record) => record.status.origin)
    .find(
      (origin) => origin?.ownerKind === ownerKind && origin.ownerName === ownerName && origin.image === image,
    );
  if (current !== undefined) return current.incident;
  const text = [namespace, ownerKind, ownerName, image, String(now)].join("\n");
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function isRecent(record: SalvageRecord, now: number): boolean {
  if (!hasEnded(record.status)) return true;
  return now - asTime(record.status.completedAt) < INCIDENT_WINDOW_MS;
}
