import { Code } from "@connectrpc/connect";

import type { FailedReason } from "./reasons.ts";

/** How a call of ImportImage ended badly, as far as rules look at it. */
export interface ImportFailureFacts {
  readonly code: Code;
  readonly message: string;
  /** the agent's `ImportFailure` detail; absent when the answer came from elsewhere or not at all */
  readonly detail?: {
    readonly retryable: boolean;
    /** sources that the target has given up, with the reason */
    readonly sources: readonly { readonly node: string; readonly message: string }[];
  };
}

/** What to do about it. */
export type ImportVerdict =
  /** the same again after a pause, without the sources in `failed` as long as there are others */
  | { readonly kind: "retry"; readonly failed: ReadonlyMap<string, string> }
  /** only with sources that are not in `failed` */
  | { readonly kind: "other_sources"; readonly failed: ReadonlyMap<string, string> }
  | { readonly kind: "permanent"; readonly reason: FailedReason };

/** Codes without detail that another attempt will not change. */
const PERMANENT: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.Unimplemented,
  Code.DataLoss,
]);

/** Codes that are about what the sources have, when the agent says that it is over. */
const ABOUT_SOURCES: ReadonlySet<Code> = new Set([Code.NotFound, Code.FailedPrecondition, Code.DataLoss]);

/**
 * Sorts a failed import into transient, to be had elsewhere, and permanent. The agent knows best: where its answer has
 * an `ImportFailure` detail, that decides. Without it the call has not reached an import, and codes decide; refused
 * grants and certificates count as transient, since both change under way. Pure.
 *
 * @param used the sources of the attempt
 */
export function judgeImportFailure(facts: ImportFailureFacts, used: readonly string[]): ImportVerdict {
  const { code, message, detail } = facts;
  if (detail === undefined) {
    if (PERMANENT.has(code)) return { kind: "permanent", reason: "TransferFailed" };
    return { kind: "retry", failed: new Map() };
  }
  const failed = new Map(detail.sources.map((source) => [source.node, source.message]));
  if (detail.retryable) return { kind: "retry", failed };
  if (code === Code.Canceled) return { kind: "permanent", reason: "Cancelled" };
  if (!ABOUT_SOURCES.has(code) || used.length === 0) return { kind: "permanent", reason: "TransferFailed" };
  if (failed.size > 0) return { kind: "other_sources", failed };
  // content that none of them had, without saying which
  const isMissing = code === Code.NotFound || code === Code.DataLoss;
  if (!isMissing) return { kind: "permanent", reason: "TransferFailed" };
  return { kind: "other_sources", failed: new Map(used.map((node) => [node, message])) };
}
