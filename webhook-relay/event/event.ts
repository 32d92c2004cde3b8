/** Event v1, as the controller sends it and `docs/webhooks.md` describes it. */

/** The workload that a pod belongs to. */
export interface EventOwner {
  readonly kind: string;
  readonly name: string;
}

/**
 * What an event is about. Every field may be missing in an event of a later version of the controller, and fields that
 * are not listed here may be there: both pass through.
 */
export interface EventData {
  /** groups the transitions of one owner and image */
  readonly incident?: string;
  /** name of the SalvageRecord */
  readonly record?: string;
  readonly owner?: EventOwner;
  readonly pod?: string;
  readonly namespace?: string;
  readonly container?: string;
  readonly image?: string;
  /** "sha256:<64 hex>", "" while it is unknown */
  readonly digest?: string;
  /** why the pull failed, e.g. "unreachable" */
  readonly cause?: string;
  readonly reason?: string;
  /** see {@link severityRank} */
  readonly severity?: string;
  readonly sourceNodes?: readonly string[];
  readonly targetNode?: string;
  readonly bytes?: number;
  readonly durationMs?: number;
  readonly attempt?: number;
  readonly message?: string;
}

/** One event. */
export interface RelayEvent {
  /** unique; without ".", because it is signed as part of `id.timestamp.body` */
  readonly id: string;
  /** e.g. "tote.image.detected" */
  readonly type: string;
  /** the cluster */
  readonly source: string;
  /** RFC 3339 */
  readonly time: string;
  /** "namespace/pod" */
  readonly subject: string;
  readonly data: EventData;
}

/** Severities that are ranked, least first. */
export const SEVERITIES = ["info", "warning", "critical"] as const;

/**
 * How severe an event is, as an index into {@link SEVERITIES}. One that is not listed ranks highest, so that no filter
 * hides it; a missing one is "info".
 */
export function severityRank(severity: string | undefined): number {
  if (severity === undefined || severity === "") return 0;
  const rank = (SEVERITIES as readonly string[]).indexOf(severity);
  return rank < 0 ? SEVERITIES.length : rank;
}
