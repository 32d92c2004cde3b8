import type { RecordStore } from "../cluster-view.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import { asTime } from "../objects/json.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { FailingNow, FailingState } from "./metrics.ts";

/** Counts what fails now, by what the newest record about it says. A failure without one is not opted in, or very new. */
export function failingNow(failures: FailureWatch, records: RecordStore, now: number): FailingNow {
  const counts: Record<FailingState, number> = {
    ignored: 0,
    pending: 0,
    transferring: 0,
    recovering: 0,
    not_actionable: 0,
    failed: 0,
  };
  let oldest = now;
  for (const subject of failures.subjects()) {
    const failing = failures.failing(subject);
    const about = records.find("subject", subject).flatMap(({ record }) => record ?? []);
    counts[stateOf(about)] += failing.length;
    oldest = Math.min(oldest, ...failing.slice(0, 1).map(({ episode }) => episode.startedAt));
  }
  return { counts, oldestAgeMs: now - oldest };
}

function stateOf(records: readonly SalvageRecord[]): FailingState {
  const newest = records.toSorted((a, b) => createdAt(b) - createdAt(a))[0];
  if (newest === undefined) return "ignored";
  switch (newest.status.phase) {
    case "Transferring":
      return "transferring";
    case "Completed":
      return "recovering";
    case "Failed":
      return "failed";
    case "Refused":
      return "not_actionable";
    default:
      return "pending";
  }
}

function createdAt({ metadata }: SalvageRecord): number {
  return asTime(metadata.creationTimestamp);
}
