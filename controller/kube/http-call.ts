import { StringDecoder } from "node:string_decoder";

import { request, type Dispatcher } from "undici";

import { describeError } from "../../lib/errors.ts";
import { isStatus } from "./guards.ts";
import { ApiError, statusError } from "./api-error.ts";
import { DeadlineError } from "./deadline.ts";
import type { Credentials, KubeConnection } from "./kube-config.ts";
import { ANSWER_MAX_BYTES } from "./limits.ts";
import type { Status } from "./objects.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** One request to the API server. */
export interface HttpCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** path and query */
  readonly path: string;
  /** what is asked for, for errors: "get pods shop/web" */
  readonly action: string;
  /** sent as JSON */
  readonly body?: object | undefined;
  /** default application/json */
  readonly contentType?: string | undefined;
  /** called right before the request is sent; what it throws is thrown */
  readonly guard?: (() => void) | undefined;
  /** milliseconds until the answer must begin, default: no bound of its own */
  readonly headersTimeoutMs?: number;
}

/** An answer that says it worked; its body has not been read. */
export type HttpAnswer = Dispatcher.ResponseData;

/** Sends requests over a connection, once each. */
export class HttpCaller {
  readonly #connection: KubeConnection;
  readonly #userAgent: string;
  readonly #now: () => number;

  /** @param options.now milliseconds since 1970, for Retry-After as a date */
  constructor(options: {
    readonly connection: KubeConnection;
    readonly userAgent: string;
    readonly now: () => number;
  }) {
    this.#connection = options.connection;
    this.#userAgent = options.userAgent;
    this.#now = options.now;
  }

  /**
   * Sends a request and waits for the start of a good answer.
   * @throws ApiError when there is none; the reason of `signal`
   */
  async send(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
    const answer = await this.#request(call, signal);
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
    if (answer.statusCode === 401) this.#connection.refresh();
    throw await this.#refusal(call, answer, signal);
  }

  /**
   * Reads the whole answer as JSON.
   * @throws ApiError when it breaks off, is too large or no JSON; the reason of `signal`
   */
  async readJson(call: HttpCall, answer: HttpAnswer, signal: AbortSignal): Promise<unknown> {
    const text = await readText(call, answer, signal);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw badAnswer(call, `${contentTypeOf(answer)} that is no JSON`, error);
    }
  }

  async #request(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
    const { headers, dispatcher } = await this.#credentials(call, signal);
    call.guard?.();
    try {
      return await request(`${this.#connection.server}${call.path}`, {
        dispatcher,
        method: call.method,
        headers: {
          ...headers,
          accept: "application/json",
          "user-agent": this.#userAgent,
          ...(call.body !== undefined && { "content-type": call.contentType ?? "application/json" }),
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal,
        headersTimeout: call.headersTimeoutMs ?? 0,
        // deadlines and idle timeouts of ours end what hangs
        bodyTimeout: 0,
      });
    } catch (error) {
      throw asApiError(call.action, error, signal);
    }
  }

  async #credentials(call: HttpCall, signal: AbortSignal): Promise<Credentials> {
    try {
      return await this.#connection.credentials(signal);
    } catch (error) {
      throw asApiError(call.action, error, signal);
    }
  }

  async #refusal(call: HttpCall, answer: HttpAnswer, signal: AbortSignal): Promise<ApiError> {
    const header = answer.headers["retry-after"];
    const retryAfterMs = parseRetryAfter(typeof header === "string" ? header : header?.[0], this.#now());
    const text = await readText(call, answer, signal);
    const status = parseStatus(text);
    if (status !== undefined) {
      return statusError(call.action, { ...status, code: answer.statusCode }, retryAfterMs);
    }
    // a proxy in between; what it says may quote the request
    const message = `the answer is ${contentTypeOf(answer)}, not a Status of Kubernetes`;
    return new ApiError(call.action, { status: answer.statusCode, reason: "Unknown", message, retryAfterMs });
  }
}

/** An ApiError for a call that got no answer, or the reason why the caller gave it up. */
export function asApiError(action: string, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ApiError) return error;
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (signal.aborted && !(reason instanceof DeadlineError)) return reason;
  const kind = reason instanceof DeadlineError ? "Timeout" : "Unreachable";
  return new ApiError(action, { status: 0, reason: kind, message: describeError(reason) }, { cause: reason });
}

async function readText(call: HttpCall, answer: HttpAnswer, signal: AbortSignal): Promise<string> {
  // piece by piece: a large text made at once would lie outside of the heap and outlive the page it was read for
  const decoder = new StringDecoder("utf8");
  let text = "";
  let bytes = 0;
  try {
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      if (bytes > ANSWER_MAX_BYTES) throw badAnswer(call, `more than ${ANSWER_MAX_BYTES} bytes`);
      text += decoder.write(piece);
    }
  } catch (error) {
    throw asApiError(call.action, error, signal);
  }
  return text + decoder.end();
}

function badAnswer(call: HttpCall, what: string, cause?: unknown): ApiError {
  return new ApiError(
    call.action,
    { status: 0, reason: "BadAnswer", message: `the answer is ${what}` },
    { cause },
  );
}

function contentTypeOf(answer: HttpAnswer): string {
  const type = String(answer.headers["content-type"] ?? "").replace(/;.*$/, "");
  return /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : "of no known type";
}

function parseStatus(text: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isStatus(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
