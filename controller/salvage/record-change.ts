/** What may happen to a record. */

import type { FailureCause } from "../detect/failure.ts";
import type { RecordOrigin, RecordPod, SalvagePlan, TransitionType } from "../objects/salvage-record.ts";
import type { CompletedReason, FailedReason, RefusedReason } from "./reasons.ts";

/** Bytes of a transfer. */
export interface TransferBytes {
  readonly bytesTotal: number;
  readonly bytesTransferred: number;
  readonly bytesReused: number;
}

/** Something that happens to a record. */
export type RecordChange =
  /** first write of the status; `reason` is the kubelet's, or "Ordered" */
  | {
      readonly type: "detected";
      readonly origin: RecordOrigin;
      readonly reason: string;
      readonly message: string;
      readonly isCorrupt: boolean;
      readonly digest?: string;
      readonly pods: readonly RecordPod[];
    }
  /** other pods wait for the same; all of them, with those before */
  | { readonly type: "pods"; readonly pods: readonly RecordPod[] }
  /** the kubelet gave another cause, or one at last */
  | { readonly type: "cause"; readonly cause: FailureCause }
  /** authorised; `holders` are the nodes that have the image */
  | { readonly type: "planned"; readonly plan: SalvagePlan; readonly holders: readonly string[] }
  /** with `salvageable` it is told as such: only agents are missing that would move it */
  | {
      readonly type: "refused";
      readonly reason: RefusedReason;
      readonly message: string;
      readonly salvageable?: { readonly digest: string; readonly holders: readonly string[] };
    }
  /** an attempt begins, from these sources */
  | { readonly type: "started"; readonly sources: readonly string[] }
  | ({ readonly type: "progress" } & TransferBytes)
  /** an attempt has failed and there will be another */
  | { readonly type: "retry"; readonly message: string }
  /** moved and visible to the kubelet */
  | ({
      readonly type: "salvaged";
      readonly configDigest: string;
      readonly sources: readonly string[];
    } & TransferBytes)
  /** over without a transfer of ours */
  | {
      readonly type: "settled";
      readonly reason: Exclude<CompletedReason, "Salvaged" | "Legacy">;
      readonly message: string;
    }
  | { readonly type: "failed"; readonly reason: FailedReason; readonly message: string }
  /** `afterMs` after the image became visible, whatever the clock says by now */
  | { readonly type: "recovered"; readonly message: string; readonly afterMs?: number }
  | { readonly type: "not_recovered"; readonly message: string; readonly afterMs?: number }
  /** the relay has these; `wanted` is what it must get at all */
  | {
      readonly type: "notified";
      readonly types: readonly TransitionType[];
      readonly wanted: ReadonlySet<TransitionType>;
    };
