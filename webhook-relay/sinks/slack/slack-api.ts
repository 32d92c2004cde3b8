import { parseRetryAfter } from "../../deliver/retry-after.ts";
import { SLACK_THROTTLE_PAUSE_MS, SLACK_UPDATE_FACTOR, USER_AGENT } from "../../limits.ts";
import type { Clock } from "../../../lib/clock.ts";
import { HttpFailure, type HttpAnswer, type HttpClient } from "../../net/http.ts";
import type { RelayMetrics } from "../../metrics.ts";
import type { Redactor } from "../../redact.ts";
import type { SubscriptionSecrets } from "../../subscriptions/subscription.ts";
import { classifyAnswer, classifyFailure } from "../webhook/classify.ts";
import type { Attempt, Outcome } from "../sink.ts";
import { KNOWN_ERRORS } from "./errors.ts";
import { longestWaitMs, takeTurn, type Pacer } from "./pacer.ts";

/** How a call ended. */
export type SlackAnswer =
  | { readonly kind: "ok"; readonly channel: string; readonly ts: string; readonly body: string }
  /** Slack says no, in a word of its own */
  | { readonly kind: "refused"; readonly error: string; readonly status: number; readonly body: string }
  /** too many calls: in milliseconds, how long to wait */
  | { readonly kind: "throttled"; readonly retryAfterMs: number; readonly status: number }
  /** it was not this call's turn within the time that there is for it; nothing was sent */
  | { readonly kind: "not_yet"; readonly waitMs: number }
  /** no answer that means anything to Slack */
  | { readonly kind: "failed"; readonly outcome: Exclude<Outcome, { kind: "delivered" }> };

/** One call. */
export interface SlackCall {
  /** of the Web API, e.g. "chat.update"; "webhook" for an incoming webhook */
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What calls are made with. */
export interface SlackApiOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly metrics: Pick<RelayMetrics, "slackCall">;
  readonly subscription: string;
  /** of the subscription; those of a call win */
  readonly headers: SubscriptionSecrets["headers"];
  /** for one call, in milliseconds */
  readonly timeoutMs: number;
  /** between two messages, in milliseconds */
  readonly intervalMs: number;
  readonly channelPacer: Pacer;
  /** of chat.update, which has a limit of its own over all channels of a token */
  readonly updatePacer: Pacer;
}

/** Makes calls, each in its turn. */
export class SlackApi {
  readonly #options: SlackApiOptions;

  constructor(options: SlackApiOptions) {
    this.#options = options;
  }

  /** Milliseconds until a message may be sent. */
  waitMs(): number {
    return this.#options.channelPacer.waitMs();
  }

  /** Makes one call; whatever goes wrong outside is an answer. */
  async call(call: SlackCall, attempt: Attempt, signal: AbortSignal): Promise<SlackAnswer> {
    const { clock, channelPacer, updatePacer, intervalMs, metrics, subscription } = this.#options;
    const isUpdate = call.method === "chat.update";
    try {
      const waitMs = await takeTurn(isUpdate ? [channelPacer, updatePacer] : [channelPacer], {
        clock,
        maxMs: longestWaitMs(intervalMs),
        signal,
      });
      if (waitMs > 0) return { kind: "not_yet", waitMs };
    } catch (error) {
      if (!signal.aborted) throw error;
      return { kind: "failed", outcome: stopped() };
    }
    try {
      const answer = await this.#post(call, attempt, signal);
      metrics.slackCall(subscription, call.method, resultOf(answer));
      if (answer.kind === "throttled") (isUpdate ? updatePacer : channelPacer).hold(answer.retryAfterMs);
      return answer;
    } finally {
      channelPacer.end(intervalMs);
      if (isUpdate) updatePacer.end(intervalMs * SLACK_UPDATE_FACTOR);
    }
  }

  async #post(call: SlackCall, attempt: Attempt, signal: AbortSignal): Promise<SlackAnswer> {
    const { http, clock, redactor, timeoutMs, headers } = this.#options;
    const ended = new AbortController();
    const timer = new AbortController();
    void clock.sleep(timeoutMs, timer.signal).then(
      () => ended.abort(new DOMException(`no end after ${timeoutMs} ms`, "TimeoutError")),
      () => undefined,
    );
    try {
      const answer = await http.post(
        {
          ...call,
          headers: { "user-agent": USER_AGENT, ...Object.fromEntries(headers), ...call.headers },
        },
        AbortSignal.any([signal, ended.signal]),
      );
      return readAnswer({ ...answer, body: redactor.redact(answer.body) }, attempt, clock.now());
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      const outcome = classifyFailure(error);
      if (outcome.kind === "delivered") throw error;
      return { kind: "failed", outcome };
    } finally {
      timer.abort();
    }
  }
}

/** What an answer says. The Web API says 200 whatever happened; incoming webhooks have a status and one word. Pure. */
export function readAnswer(answer: HttpAnswer, attempt: Attempt, now: number): SlackAnswer {
  const { status, headers, body } = answer;
  const { ok, error, channel, ts } = fieldsOf(body);
  if (status === 429 || error === "ratelimited" || error === "rate_limited") {
    const asked = parseRetryAfter(headers["retry-after"], headers["date"], now);
    return { kind: "throttled", retryAfterMs: asked ?? SLACK_THROTTLE_PAUSE_MS, status };
  }
  // whatever it says, it is not about the message
  if (status >= 500) return notSlack(answer, attempt, now);
  if (ok === false) return { kind: "refused", error: error === "" ? "unknown" : error, status, body };
  const isFine = status >= 200 && status < 300;
  if (isFine && (ok === true || body.trim() === "ok" || body.trim() === "")) {
    return { kind: "ok", channel, ts, body };
  }
  const word = /^[a-z_]{3,64}$/.exec(body.trim())?.[0];
  if (!isFine && word !== undefined) return { kind: "refused", error: word, status, body };
  return notSlack(answer, attempt, now);
}

function notSlack(answer: HttpAnswer, attempt: Attempt, now: number): SlackAnswer {
  const outcome = classifyAnswer(answer, attempt, now);
  if (outcome.kind !== "delivered") return { kind: "failed", outcome };
  const { status, body } = answer;
  const message = `answered ${status} with something that is not Slack's, is the address right?`;
  return {
    kind: "failed",
    outcome: { kind: "rejected", reason: "protocol", message, status, excerpt: body },
  };
}

interface Fields {
  readonly ok: boolean | undefined;
  readonly error: string;
  readonly channel: string;
  readonly ts: string;
}

/** What an answer of the Web API says at its top; of one that was too long to be read to its end, what stands first. */
function fieldsOf(body: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    const isOk = /^\s*\{\s*"ok"\s*:\s*true\b/.test(body);
    const [, channel = "", ts = ""] = /"channel"\s*:\s*"(\w+)"\s*,\s*"ts"\s*:\s*"([\d.]+)"/.exec(body) ?? [];
    return { ok: isOk && ts !== "" ? true : undefined, error: "", channel, ts };
  }
  const fields: Readonly<Record<string, unknown>> =
    typeof parsed === "object" && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : {};
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value : "";
  };
  const { ok } = fields;
  return {
    ok: typeof ok === "boolean" ? ok : undefined,
    error: /^[a-z_]{1,64}$/.test(text("error")) ? text("error") : "",
    channel: text("channel"),
    ts: text("ts"),
  };
}

const KNOWN: ReadonlySet<string> = new Set(KNOWN_ERRORS);

/** A label of metrics: words of a known set only. */
function resultOf(answer: SlackAnswer): string {
  switch (answer.kind) {
    case "refused":
      return KNOWN.has(answer.error) ? answer.error : "other";
    case "failed":
      return answer.outcome.reason;
    default:
      return answer.kind;
  }
}

function stopped(): Exclude<Outcome, { kind: "delivered" }> {
  const message = "told to end before it was this message's turn";
  return { kind: "retry", reason: "aborted", message, costsAttempt: false, trips: false };
}
