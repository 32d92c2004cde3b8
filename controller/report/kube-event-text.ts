/** What Events on pods say. Reasons, actions and texts that the original tote has are kept: people look for them. */

import type { RecordTransition, SalvageRecord, TransitionType } from "../objects/salvage-record.ts";

/** One kind of Event. */
export interface EventKind {
  readonly reason: string;
  readonly action: "Detected" | "Salvaging" | "Salvaged" | "Cleaning" | "Pushing";
  readonly type: "Normal" | "Warning";
}

const KINDS: Readonly<Partial<Record<TransitionType, EventKind>>> = {
  salvageable: { reason: "ImageSalvageable", action: "Detected", type: "Warning" },
  not_actionable: { reason: "ImageNotActionable", action: "Detected", type: "Warning" },
  ambiguous: { reason: "ImageAmbiguous", action: "Detected", type: "Warning" },
  corrupt: { reason: "ImageCorrupt", action: "Cleaning", type: "Warning" },
  // a Warning on purpose: something upstream is broken
  salvaged: { reason: "ImageSalvaged", action: "Salvaged", type: "Warning" },
  salvage_failed: { reason: "ImageSalvageFailed", action: "Salvaging", type: "Warning" },
  pushed: { reason: "ImagePushed", action: "Pushing", type: "Normal" },
  push_failed: { reason: "ImagePushFailed", action: "Pushing", type: "Warning" },
};

const RESOLVED_UNCACHED: EventKind = { reason: "ImageResolvedUncached", action: "Detected", type: "Warning" };

/** The kind of Event for a transition; undefined for those that only the relay hears of. */
export function eventKind(transition: RecordTransition): EventKind | undefined {
  if (transition.reason === "ImageResolvedUncached") return RESOLVED_UNCACHED;
  return KINDS[transition.type];
}

/**
 * The note for a transition, of any length.
 * @param advice what a person has to do besides, "" for nothing
 */
export function eventNote(record: SalvageRecord, transition: RecordTransition, advice = ""): string {
  const note = noteOf(record, transition);
  return advice === "" ? note : `${note} This pod's pull hangs. ${advice}`;
}

/** What sums up refusals beyond the bound of records. */
export function overflowNote(refused: number): string {
  return `Not actionable: ${refused} image failures were refused beyond those that have SalvageRecords of their own. See the metric tote_not_actionable_total and the logs.`;
}

function noteOf({ status }: SalvageRecord, transition: RecordTransition): string {
  const image = status.origin?.image ?? "";
  const target = status.origin?.targetNode ?? "";
  const sources = transition.sources ?? [];
  const { message, reason, digest = "" } = transition;
  switch (transition.type) {
    case "salvageable":
      return `Registry pull failed for ${image}; image digest exists on nodes: [${sources.join(", ")}]. This is technical debt — rebuild and push the image properly.`;
    case "salvaged":
      return `Image ${image} salvaged from node ${sources.join(", ") || target} to node ${target} via containerd. This is emergency — rebuild properly.`;
    case "salvage_failed":
      return `Image salvage failed for ${image}: ${message}`;
    case "corrupt":
      return `Corrupt image record for ${image} on node ${target}: content blobs missing. They are fetched from another node; the record is removed only when nobody has them.`;
    case "ambiguous":
      return `Ambiguous image ${image}: ${message}`;
    case "pushed":
      return `Image ${digest} pushed to backup registry ${message} from node ${sources.join(", ")}.`;
    case "push_failed":
      return `Registry push failed for ${digest}: ${message}`;
    default:
      return notActionableNote(image, reason, message, digest);
  }
}

function notActionableNote(image: string, reason: string, message: string, digest: string): string {
  switch (reason) {
    case "ImageResolvedUncached":
      return `Tag ${image} resolved to ${digest} via registry, but no node has it cached. Image exists in registry but was never pulled to this cluster.`;
    case "ImageUnresolved":
      return `Not actionable: image ${image} uses tag, not digest, and ${message}. Pin images by digest for tote to help.`;
    default:
      return `Not actionable: image ${image}: ${message}`;
  }
}
