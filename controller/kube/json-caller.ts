import type { Clock } from "../../lib/clock.ts";
import { errorCode } from "../../lib/errors.ts";
import { ApiError } from "./api-error.ts";
import { DeadlineError, withDeadline } from "./deadline.ts";
import { asApiError, type HttpAnswer, type HttpCall, type HttpCaller } from "./http-call.ts";
import type { CallOptions } from "./kube-api.ts";
import { CALL_TIMEOUT_MS, RETRIES_MAX } from "./limits.ts";

/** What one call came to. */
export interface CallReport {
  /** "get", "list", "watch", "create", "replace", "patch" or "delete" */
  readonly verb: string;
  /** plural, with "/status" where it is meant */
  readonly resource: string;
  /** HTTP status, 0 when there was no answer */
  readonly status: number;
  /** milliseconds; of a watch: until its answer began */
  readonly durationMs: number;
}

/** A call with what it is counted as. */
export interface NamedCall extends HttpCall {
  readonly verb: string;
  readonly resource: string;
}

/** Calls with deadlines and retries. */
export class JsonCaller {
  readonly #caller: HttpCaller;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onCall: (report: CallReport) => void;

  constructor(options: {
    readonly caller: HttpCaller;
    readonly clock: Clock;
    readonly random: () => number;
    readonly onCall: (report: CallReport) => void;
  }) {
    this.#caller = options.caller;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onCall = options.onCall;
  }

  /** Sends once and returns the answer unread, for streams. */
  open(call: NamedCall, signal: AbortSignal): Promise<HttpAnswer> {
    return this.#counted(call, () => this.#caller.send(call, signal));
  }

  /**
   * One call with all its retries, and its answer as JSON.
   * @throws ApiError; the reason of the signal
   */
  async json(call: NamedCall, options: CallOptions): Promise<unknown> {
    const { signal, timeoutMs = CALL_TIMEOUT_MS } = options;
    try {
      return await withDeadline(this.#clock, timeoutMs, signal, (inner) =>
        this.#untilDone({ ...call, guard: options.guard }, inner, this.#clock.monotonic() + timeoutMs),
      );
    } catch (error) {
      throw error instanceof DeadlineError ? asApiError(call.action, error, signal) : error;
    }
  }

  async #untilDone(call: NamedCall, signal: AbortSignal, until: number): Promise<unknown> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#counted(call, async () => {
          const answer = await this.#caller.send(call, signal);
          return await this.#caller.readJson(call, answer, signal);
        });
      } catch (error) {
        const pause = this.#pauseBefore(call, error, tries);
        if (pause === undefined || this.#clock.monotonic() + pause >= until) throw error;
        await this.#clock.sleep(pause, signal);
      }
    }
  }

  /** Milliseconds until a failed request is sent again; undefined when it is not. */
  #pauseBefore(call: HttpCall, error: unknown, tries: number): number | undefined {
    if (!(error instanceof ApiError) || tries >= RETRIES_MAX) return undefined;
    // the credentials have been forgotten: a token that was renewed just now is read
    if (error.status === 401) return tries === 0 ? 0 : undefined;
    if (error.status === 0) {
      return tries === 0 && call.method === "GET" && isClosedConnection(error.cause) ? 0 : undefined;
    }
    if (error.retryAfterMs === undefined || (error.status !== 429 && error.status < 500)) return undefined;
    // not all who were sent away at once may come back at once
    return error.retryAfterMs * (1 + this.#random() / 10);
  }

  async #counted<T>(call: NamedCall, run: () => Promise<T>): Promise<T> {
    const started = this.#clock.monotonic();
    let status = 0;
    try {
      const result = await run();
      status = 200;
      return result;
    } catch (error) {
      if (error instanceof ApiError) status = error.status;
      throw error;
    } finally {
      const durationMs = this.#clock.monotonic() - started;
      this.#onCall({ verb: call.verb, resource: call.resource, status, durationMs });
    }
  }
}

/** A connection that the server had closed when it was used again. */
function isClosedConnection(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(errorCode(error));
}
