import { isDigest } from "../../lib/digest.ts";
import type { SalvageRecord, SalvageRecordStatus } from "../objects/salvage-record.ts";

/**
 * The status of a record that the original tote left behind: it wrote a record once the image had been moved, and lost the
 * status. Counts as completed when it was made, so that its time to live runs from then. Pure.
 */
export function legacyStatus({ metadata, spec }: SalvageRecord): SalvageRecordStatus {
  const { digest = "", sourceNode = "" } = spec;
  return {
    phase: "Completed",
    reason: "Legacy",
    message: "written by an earlier tote, which kept no status",
    ...(isDigest(digest) && { digest }),
    ...(sourceNode !== "" && { sources: [sourceNode] }),
    ...(metadata.creationTimestamp !== "" && { completedAt: metadata.creationTimestamp }),
  };
}
