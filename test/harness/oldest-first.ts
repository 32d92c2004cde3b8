import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";

/**
 * Records by age. The API server tells the time of creation in whole seconds; where two have the same, the one that
 * was taken up first is the older one, and one that nobody has taken up yet the younger.
 */
export function oldestFirst(records: readonly SalvageRecord[]): readonly SalvageRecord[] {
  return records.toSorted(
    (a, b) =>
      compare(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
      compare(takenUpAt(a), takenUpAt(b)),
  );
}

function takenUpAt({ status }: SalvageRecord): string {
  // sorts behind every time
  return status.transitions?.[0]?.time ?? "~";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
