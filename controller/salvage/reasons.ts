/** The words in `status.reason` of ended records, and in the events about them. */

import type { UnhelpedReason } from "../detect/disposition.ts";
import type { OptOutReason } from "../detect/opt-in.ts";

/** Why nothing is done. */
export type RefusedReason =
  | UnhelpedReason
  | OptOutReason
  /** witnesses of one tier disagree on the digest */
  | "ImageAmbiguous"
  /** nobody knows a digest for the name */
  | "ImageUnresolved"
  /** the registry knows the digest, no node has it */
  | "ImageResolvedUncached"
  /** the digest is known, no node can serve it */
  | "NoSource"
  | "NotAuthorized"
  | "ImageTooLarge"
  | "InsufficientRoom"
  /** the target node has no agent that could be asked, or there are none at all */
  | "NoAgent"
  /** an order that cannot be understood */
  | "OrderInvalid"
  /** an order whose digest is not what its tag means */
  | "OrderDigestMismatch";

/** How a record is completed. */
export type CompletedReason =
  | "Salvaged"
  /** the pod started before tote was done */
  | "RecoveredAlone"
  /** nobody has the content of a corrupt image; its record is removed, so that the kubelet can pull */
  | "StaleRecordRemoved"
  /** left behind by the original tote */
  | "Legacy";

/** Why a salvage that was authorised came to nothing. */
export type FailedReason =
  /** an agent's answer that another attempt would not change */
  | "TransferFailed"
  /** every source has failed */
  | "SourcesExhausted"
  /** too many attempts without a byte in between */
  | "AttemptsExhausted"
  /** the target node, or every pod that waited, is gone */
  | "TargetGone"
  /** opted out while it ran */
  | "OptedOut"
  /** cancelled by someone else */
  | "Cancelled"
  /** nothing moved for 30 minutes */
  | "Stalled"
  /** the kubelet does not see the image although all of it is there */
  | "NotVisible"
  /** the API server takes what is to be written for invalid: an agent or the CRD is of another version */
  | "RecordInvalid";
