import type { ServerResponse } from "node:http";
import type { TestContext } from "node:test";

import { startReceiver, type ReceivedRequest } from "./receiver.ts";
import { markupOf, refusalOf } from "./slack-limits.ts";

/** A bot token that the double knows, and the path of its incoming webhook. */
export const SLACK_TOKEN = "xoxb-000-testtoken-7f3c";
export const SLACK_HOOK_PATH = "/services/T0TEST/B0TEST/hooksecret91";

/** A message as it stands in a channel. */
export interface SlackMessage {
  readonly ts: string;
  readonly text: string;
  readonly blocks: readonly unknown[];
  /** of the message that it replies to; "" for none */
  readonly threadTs: string;
  /** how often it was changed */
  readonly edits: number;
  /** everything that was ever in its place, what is there now included */
  readonly versions: readonly string[];
}

/** A call that came, and how it was answered. */
export interface SlackDoubleCall {
  readonly method: string;
  /** milliseconds of a clock that never goes back */
  readonly at: number;
  readonly status: number;
  /** "" when it went well */
  readonly error: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** An answer that is given instead of the right one. */
export interface SlackFault {
  /** of the calls that it is for; default: any */
  readonly method?: string;
  /** default 200 */
  readonly status?: number;
  /** Slack's word for it */
  readonly error: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** the call has its effect all the same, only the answer says no */
  readonly hasEffect?: boolean;
  /** no answer at all: the connection is cut; the call has had its effect */
  readonly isCut?: boolean;
  /** no answer at all: nothing more comes; the call has had its effect */
  readonly isSilent?: boolean;
}

/** What a double is made of. */
export interface SlackDoubleOptions {
  /** between two messages into one channel, in milliseconds; default 1000 */
  readonly intervalMs?: number;
  /** updates in 60 intervals; default 50 */
  readonly updates?: number;
  /** channels by id, with their names; default C0TESTOPS "ops" */
  readonly channels?: Readonly<Record<string, string>>;
  /** address to listen on; default loopback */
  readonly host?: string;
  /** methods that the token has no scope for */
  readonly missingScopes?: readonly string[];
}

/** A Slack of one workspace. */
export interface SlackDouble {
  readonly port: number;
  /** for `apiUrl` */
  readonly apiUrl: string;
  /** for `url` or `urlFile` of an incoming webhook, which posts into the first channel */
  readonly hookUrl: string;
  readonly calls: readonly SlackDoubleCall[];
  /** messages of a channel that stand there now, oldest first; default: the first channel */
  messages(channel?: string): readonly SlackMessage[];
  /** those of them that are no replies */
  roots(channel?: string): readonly SlackMessage[];
  /** replies to a message */
  replies(ts: string, channel?: string): readonly SlackMessage[];
  /** Answers the next calls so, one each. */
  fail(...faults: readonly SlackFault[]): void;
  /** Somebody deletes a message. */
  remove(ts: string): void;
  /** what in all messages would link, mention or call; must be empty */
  markup(): readonly string[];
  close(): Promise<void>;
}

type Body = Readonly<Record<string, unknown>>;
interface Stored extends SlackMessage {
  readonly channel: string;
}
interface Answer {
  readonly status: number;
  readonly error: string;
  readonly json: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Starts a Slack that enforces the documented limits, errors and rates, and keeps messages by their ts. */
export async function startSlackDouble(
  t: TestContext | undefined,
  options: SlackDoubleOptions = {},
): Promise<SlackDouble> {
  const { intervalMs = 1000, updates = 50, missingScopes = [], host } = options;
  const channels = options.channels ?? { C0TESTOPS: "ops" };
  const [firstChannel = ""] = Object.keys(channels);
  const calls: SlackDoubleCall[] = [];
  const stored = new Map<string, Stored>();
  const faults: SlackFault[] = [];
  const lastMessageAt = new Map<string, number>();
  let updateTimes: number[] = [];
  let counter = 0;

  function handle(method: string, body: Body, token: string): Answer {
    if (method !== "webhook" && token !== `Bearer ${SLACK_TOKEN}`) {
      return refuse(token === "" ? "not_authed" : "invalid_auth");
    }
    if (missingScopes.includes(method)) return refuse("missing_scope");
    const now = performance.now();
    switch (method) {
      case "chat.postMessage":
        return post(channelOf(body["channel"]), body, now);
      case "webhook":
        return post(firstChannel, body, now);
      case "chat.update":
        return update(body, now);
      case "conversations.history":
        return history(body);
      default:
        return refuse("unknown_method");
    }
  }

  function post(channel: string, body: Body, now: number): Answer {
    if (channel === "") return refuse("channel_not_found");
    if (now - (lastMessageAt.get(channel) ?? -Infinity) < intervalMs) return tooMany(intervalMs);
    const refusal = refusalOf(body);
    if (refusal !== "") return refuse(refusal);
    const threadTs = textOf(body["thread_ts"]);
    if (threadTs !== "" && stored.get(threadTs)?.channel !== channel) return refuse("thread_not_found");
    lastMessageAt.set(channel, now);
    counter += 1;
    const ts = `${Math.floor(Date.now() / 1000)}.${String(counter).padStart(6, "0")}`;
    const content = contentOf(body);
    stored.set(ts, { ts, channel, threadTs, edits: 0, versions: [content.text], ...content });
    return accept({ ok: true, channel, ts, message: { ts, ...content } });
  }

  function update(body: Body, now: number): Answer {
    const [channel, ts] = [textOf(body["channel"]), textOf(body["ts"])];
    // unlike posting it takes the id only
    if (channels[channel] === undefined) return refuse("channel_not_found");
    updateTimes = updateTimes.filter((at) => at > now - 60 * intervalMs);
    if (updateTimes.length >= updates) return tooMany(intervalMs);
    const before = stored.get(ts);
    if (before?.channel !== channel) return refuse("message_not_found");
    const refusal = refusalOf(body);
    if (refusal !== "") return refuse(refusal);
    updateTimes.push(now);
    const content = contentOf(body);
    const blocks = body["blocks"] === undefined ? before.blocks : content.blocks;
    const versions = [...before.versions, content.text];
    stored.set(ts, { ...before, ...content, blocks, edits: before.edits + 1, versions });
    return accept({ ok: true, channel, ts, text: content.text });
  }

  function history(body: Body): Answer {
    const channel = textOf(body["channel"]);
    if (channels[channel] === undefined) return refuse("channel_not_found");
    const limit = Number(body["limit"] ?? 100);
    const newest = messages(channel).filter(({ threadTs }) => threadTs === "");
    return accept({ ok: true, messages: newest.toReversed().slice(0, limit) });
  }

  function channelOf(value: unknown): string {
    const name = textOf(value).replace(/^#/, "");
    return Object.keys(channels).find((id) => id === name || channels[id] === name) ?? "";
  }

  function messages(channel = firstChannel): readonly Stored[] {
    return [...stored.values()].filter((one) => one.channel === channel);
  }

  const receiver = await startReceiver(t, host === undefined ? {} : { host });
  receiver.behave((request, response) => {
    const method = request.path === SLACK_HOOK_PATH ? "webhook" : request.path.replace(/^\/api\//, "");
    const body = readBody(request);
    const at = faults.findIndex((fault) => fault.method === undefined || fault.method === method);
    const [fault] = at < 0 ? [] : faults.splice(at, 1);
    const hasEffect = fault === undefined || fault.hasEffect === true || isUnanswered(fault);
    const right = hasEffect ? handle(method, body, request.headers["authorization"] ?? "") : undefined;
    const answer = fault === undefined && right !== undefined ? right : faultAnswer(fault);
    calls.push({ method, at: performance.now(), status: answer.status, error: answer.error, body });
    if (fault?.isCut === true) response.destroy();
    else if (fault?.isSilent !== true) write(response, answer, method);
  });
  return {
    port: receiver.port,
    apiUrl: `${receiver.url}/api`,
    hookUrl: `${receiver.url}${SLACK_HOOK_PATH}`,
    calls,
    messages,
    roots: (channel) => messages(channel).filter(({ threadTs }) => threadTs === ""),
    replies: (ts, channel) => messages(channel).filter(({ threadTs }) => threadTs === ts),
    fail(...more) {
      faults.push(...more);
    },
    remove: (ts) => void stored.delete(ts),
    markup: () => calls.flatMap(({ body }) => markupOf(body)),
    close: () => receiver.close(),
  };
}

function readBody({ headers, body }: ReceivedRequest): Body {
  const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
  const parsed: unknown = isForm ? Object.fromEntries(new URLSearchParams(body)) : JSON.parse(body);
  return typeof parsed === "object" && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : {};
}

function contentOf(body: Body): { readonly text: string; readonly blocks: readonly unknown[] } {
  const { text, blocks } = body;
  return { text: textOf(text), blocks: Array.isArray(blocks) ? blocks : [] };
}

function accept(json: object): Answer {
  return { status: 200, error: "", json };
}

function refuse(error: string): Answer {
  return { status: 200, error, json: { ok: false, error } };
}

function tooMany(intervalMs: number): Answer {
  return {
    status: 429,
    error: "ratelimited",
    json: { ok: false, error: "ratelimited" },
    headers: { "retry-after": String(Math.ceil(intervalMs / 1000)) },
  };
}

function isUnanswered({ isCut, isSilent }: SlackFault): boolean {
  return isCut === true || isSilent === true;
}

function faultAnswer(fault: SlackFault | undefined): Answer {
  const { error = "", status = 200, headers = {} } = fault ?? {};
  return { status, error, json: { ok: false, error }, headers };
}

/** Incoming webhooks answer with one word, and with a status that means something. */
function write(response: ServerResponse, { status, error, json, headers }: Answer, method: string): void {
  if (method !== "webhook") {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(json));
    return;
  }
  const code = status === 200 && error !== "" ? 400 : status;
  response.writeHead(code, { "content-type": "text/plain", ...headers }).end(error === "" ? "ok" : error);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
