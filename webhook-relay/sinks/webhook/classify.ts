import { parseRetryAfter } from "../../deliver/retry-after.ts";
import { THROTTLE_PAUSE_MAX_MS, THROTTLE_PAUSE_MS } from "../../limits.ts";
import type { HttpAnswer, HttpFailure } from "../../net/http.ts";
import type { Attempt, Outcome } from "../sink.ts";

/** Statuses below 500 that may pass: Request Timeout, Too Early, Too Many Requests. */
const PASSING: ReadonlySet<number> = new Set([408, 425]);

/**
 * What an answer means: only 2xx is success, a redirect is not followed and so is none, 410 asks for no more.
 * @param now milliseconds since 1970
 */
export function classifyAnswer(answer: HttpAnswer, attempt: Attempt, now: number): Outcome {
  const { status, headers, body } = answer;
  const seen = { status, excerpt: body };
  if (status >= 200 && status < 300) return { kind: "delivered", ...seen };
  const asked = parseRetryAfter(headers["retry-after"], headers["date"], now);
  const told = asked === undefined ? {} : { retryAfterMs: asked };
  const message = `answered ${status}`;
  if (status === 410)
    return { kind: "disable", reason: "410", message: `${message}, which asks for no more`, ...seen };
  if (status === 429) {
    // a receiver that has too much and does not say until when is asked less and less often
    const pause = Math.min(THROTTLE_PAUSE_MS * 2 ** (attempt.number - 1), THROTTLE_PAUSE_MAX_MS);
    const retryAfterMs = asked ?? pause;
    return {
      kind: "retry",
      reason: "429",
      message,
      retryAfterMs,
      costsAttempt: false,
      trips: false,
      ...seen,
    };
  }
  if (status >= 500 || PASSING.has(status)) {
    const reason = status >= 500 ? "5xx" : String(status);
    return { kind: "retry", reason, message, costsAttempt: true, trips: status >= 500, ...told, ...seen };
  }
  if (status >= 300 && status < 400) {
    return {
      kind: "rejected",
      reason: "3xx",
      message: `${message}, redirects are not followed`,
      ...told,
      ...seen,
    };
  }
  return { kind: "rejected", reason: "4xx", message, ...told, ...seen };
}

/** What a failure without a whole answer means: all of them may pass. */
export function classifyFailure(failure: HttpFailure): Outcome {
  const { reason, message } = failure;
  return {
    kind: "retry",
    reason,
    message,
    // neither a proxy nor the end of the relay is the receiver's doing
    costsAttempt: reason !== "proxy" && reason !== "aborted",
    trips: reason !== "aborted",
    mayHaveArrived:
      reason === "timeout" || reason === "reset" || reason === "aborted" || reason === "protocol",
  };
}
