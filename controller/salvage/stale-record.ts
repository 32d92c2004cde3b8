import type { AgentQuestions } from "../agents/agent-questions.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { Finding, PlanRequest } from "./planner.ts";
import type { RefusedReason } from "./reasons.ts";
import type { RecordChange } from "./record-change.ts";

/** Refusals that also come of a name that was removed from the node: nobody has it, or nobody knows it. */
const OF_NOBODY: ReadonlySet<RefusedReason> = new Set(["ImageUnresolved", "NoSource"]);

/**
 * How a record ends that is refused. The refusal may be the trace of a removal that could not be written down: the image
 * was corrupt on its node, and the node does not know its name any more. Its pods then fail like all others, so that only
 * the record tells.
 */
export async function refusalOf(
  subject: {
    readonly record: SalvageRecord;
    readonly request: Pick<PlanRequest, "targetNode" | "reference">;
    readonly finding: Extract<Finding, { readonly kind: "refused" }>;
    readonly questions: Pick<AgentQuestions, "ask">;
  },
  signal: AbortSignal,
): Promise<RecordChange> {
  const { record, request, finding, questions } = subject;
  const { reason, message, salvageable } = finding;
  const wasCorrupt = (record.status.transitions ?? []).some(({ type }) => type === "corrupt");
  if (wasCorrupt && OF_NOBODY.has(reason)) {
    const { targetNode, reference } = request;
    const answer = await questions.ask(targetNode, reference.canonical, signal);
    if (answer.kind === "absent") {
      const told = `its record is gone from ${targetNode} by now: ${message}`;
      return { type: "settled", reason: "StaleRecordRemoved", message: told };
    }
  }
  return { type: "refused", reason, message, ...(salvageable !== undefined && { salvageable }) };
}
