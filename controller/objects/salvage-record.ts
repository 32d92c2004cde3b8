/** The custom resource SalvageRecord, `tote.dev/v1alpha1`: history, idempotency and outbox of the controller. */

import type { FailureCause } from "../detect/failure.ts";

export const RECORD_API_VERSION = "tote.dev/v1alpha1";
export const RECORD_KIND = "SalvageRecord";
export const RECORD_PLURAL = "salvagerecords";

/** Labels of records that the controller makes. */
export const RECORD_LABELS = {
  /** first 32 hex digits of the digest */
  digest: "tote.dev/digest",
  /** first 16 hex digits of the node name's sha256 */
  node: "tote.dev/node",
  managedBy: "app.kubernetes.io/managed-by",
} as const;

/** Value of the label `app.kubernetes.io/managed-by`. */
export const MANAGED_BY = "tote";

/** How far a record is. A record without phase is new. */
export const RECORD_PHASES = ["Pending", "Transferring", "Completed", "Failed", "Refused"] as const;
export type RecordPhase = (typeof RECORD_PHASES)[number];

/** What happens to an image, in the last word of an event's type `tote.image.<type>`. Each at most once per record. */
export const TRANSITION_TYPES = [
  "detected",
  "salvageable",
  "salvaged",
  "salvage_failed",
  "recovered",
  "not_recovered",
  "not_actionable",
  "ambiguous",
  "corrupt",
  "pushed",
  "push_failed",
] as const;
export type TransitionType = (typeof TRANSITION_TYPES)[number];

/** Conditions of a record. */
export const CONDITION_TYPES = ["Authorized", "Visible", "Recovered", "Notified"] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** What is ordered. Written once; people may edit it, so nothing is acted on but `status.plan`. */
export interface SalvageRecordSpec {
  /** "sha256:<64 hex>"; absent when only a tag is known */
  readonly digest?: string;
  /** the image as the pod writes it */
  readonly imageRef?: string;
  readonly podName?: string;
  /** set by the original tote only */
  readonly sourceNode?: string;
  readonly targetNode?: string;
}

/** What a salvage is about, fixed when the record's status is first written: events are built from it. */
export interface RecordOrigin {
  /** groups the records of one owner and image in Slack and elsewhere */
  readonly incident: string;
  readonly image: string;
  readonly container: string;
  readonly pod: string;
  readonly podUid: string;
  readonly ownerKind: string;
  readonly ownerName: string;
  readonly targetNode: string;
  readonly cause: FailureCause;
}

/** The authorised plan: the only thing that is acted on. */
export interface SalvagePlan {
  readonly digest: string;
  /** names to create on the target, as the pods write them */
  readonly names: readonly string[];
  readonly targetNode: string;
  /** nodes to read from, best first */
  readonly sources: readonly string[];
  /** largest image in compressed bytes; 0 means no limit */
  readonly maxBytes: number;
  /** what the authorisation rests on */
  readonly evidence: string;
}

/** Something that happened, with all that its event says: later changes of the record must not change the event. */
export interface RecordTransition {
  readonly type: TransitionType;
  /** RFC 3339 with milliseconds */
  readonly time: string;
  /** the relay has it */
  readonly notified: boolean;
  /** one word, e.g. "ErrImagePull" or "NotAuthorized" */
  readonly reason: string;
  readonly message: string;
  readonly digest?: string;
  readonly sources?: readonly string[];
  readonly bytes?: number;
  readonly durationMs?: number;
  readonly attempt?: number;
}

/** A pod that waits for the image. */
export interface RecordPod {
  readonly name: string;
  readonly uid: string;
}

/** A condition, as `metav1.Condition` without observedGeneration. */
export interface RecordCondition {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** What has become of it. Times are RFC 3339. */
export interface SalvageRecordStatus {
  readonly phase?: RecordPhase;
  /** one word about the phase */
  readonly reason?: string;
  readonly message?: string;
  /** the message of a failure, where the original tote has it */
  readonly error?: string;
  readonly origin?: RecordOrigin;
  /** the last cause that was known; kubelets before 1.32 do not repeat it, and it decides what is allowed */
  readonly cause?: FailureCause;
  readonly plan?: SalvagePlan;
  readonly digest?: string;
  readonly configDigest?: string;
  /** compressed bytes of the image; 0 or absent until known */
  readonly bytesTotal?: number;
  readonly bytesTransferred?: number;
  readonly bytesReused?: number;
  /** "45%", for people */
  readonly progress?: string;
  /** nodes that bytes came from */
  readonly sources?: readonly string[];
  readonly attempts?: number;
  readonly startedAt?: string;
  /** when anything last moved */
  readonly progressAt?: string;
  readonly completedAt?: string;
  readonly transitions?: readonly RecordTransition[];
  readonly pods?: readonly RecordPod[];
  /** all pods that wait, also those not listed */
  readonly podCount?: number;
  readonly conditions?: readonly RecordCondition[];
}

/** Metadata of a record, as far as it is used. */
export interface RecordMetadata {
  readonly name: string;
  readonly namespace: string;
  /** "" until the API server has given one */
  readonly uid: string;
  readonly resourceVersion: string;
  /** RFC 3339, "" until the API server has given one */
  readonly creationTimestamp: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isDeleting: boolean;
}

/** A record as it was read. */
export interface SalvageRecord {
  readonly metadata: RecordMetadata;
  readonly spec: SalvageRecordSpec;
  readonly status: SalvageRecordStatus;
}
