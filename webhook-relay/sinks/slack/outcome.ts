import type { Outcome, OutcomeBase } from "../sink.ts";
import { adviceOn, KNOWN_ERRORS, verdictOf } from "./errors.ts";
import type { SlackAnswer } from "./slack-api.ts";

const KNOWN: ReadonlySet<string> = new Set(KNOWN_ERRORS);

/**
 * What becomes of a delivery when Slack has answered so and nothing more can be done about it in this attempt. Pure.
 * @param state what to remember in any case
 */
export function outcomeOf(answer: SlackAnswer, state: NonNullable<OutcomeBase["state"]>): Outcome {
  switch (answer.kind) {
    case "ok":
      return { kind: "delivered", status: 200, state };
    case "not_yet":
      return {
        kind: "retry",
        reason: "paced",
        message: "others have the channel, Slack takes one message a second",
        retryAfterMs: answer.waitMs,
        costsAttempt: false,
        trips: false,
        state,
      };
    case "throttled":
      return {
        kind: "retry",
        reason: "429",
        message: "Slack has too many messages and asks to wait",
        status: answer.status,
        retryAfterMs: answer.retryAfterMs,
        costsAttempt: false,
        trips: false,
        state,
      };
    case "failed":
      return { ...answer.outcome, state };
    case "refused":
      return refused(answer, state);
  }
}

function refused(
  { error, status, body }: Extract<SlackAnswer, { kind: "refused" }>,
  state: NonNullable<OutcomeBase["state"]>,
): Outcome {
  const advice = adviceOn(error);
  const failure = {
    reason: KNOWN.has(error) ? error : "other",
    message: `Slack says ${error}${advice === "" ? "" : `: ${advice}`}`,
    status,
    excerpt: body,
    state,
  };
  switch (verdictOf(error)) {
    case "disable":
      return { kind: "disable", keeps: true, ...failure };
    case "plain":
      return { kind: "dead", ...failure };
    case "retry":
    case "throttle":
      return { kind: "retry", costsAttempt: true, trips: true, ...failure };
    case "retry_unsure":
      return { kind: "retry", costsAttempt: true, trips: true, mayHaveArrived: true, ...failure };
    case "repost":
    case "unknown":
      return { kind: "rejected", ...failure };
  }
}
