import { readFile } from "node:fs/promises";

import { Agent, request, type Dispatcher } from "undici";

import { describeError } from "../../lib/errors.ts";

/** Time for one event, in milliseconds. */
const POST_TIMEOUT_MS = 10_000;
/** Longest answer that is quoted, in characters. */
const ANSWER_MAX_CHARS = 300;
/** How long token and CA files are believed to be as they were, in milliseconds. */
const FILES_MAX_AGE_MS = 30_000;

/** Posts events to the relay. */
export interface RelayClient {
  /** @throws Error unless the relay has taken the event */
  post(id: string, body: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What a client needs. */
export interface RelayClientOptions {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  /** monotonic milliseconds */
  readonly now: () => number;
}

/** Posts over HTTP. Token and CA are read again now and then, so that they can be renewed. */
export function createRelayClient(options: RelayClientOptions): RelayClient {
  const { url, tokenFile, caFile, now } = options;
  let known:
    | { readonly at: number; readonly token: string; readonly ca: string; readonly dispatcher: Dispatcher }
    | undefined;

  async function settings(
    signal: AbortSignal,
  ): Promise<{ readonly token: string; readonly dispatcher: Dispatcher }> {
    if (known !== undefined && now() - known.at < FILES_MAX_AGE_MS) return known;
    const token =
      tokenFile === undefined ? "" : firstToken(await read("--webhook-token-file", tokenFile, signal));
    const ca = caFile === undefined ? "" : await read("--webhook-ca", caFile, signal);
    const isSame = known !== undefined && known.ca === ca;
    const dispatcher =
      isSame && known !== undefined ? known.dispatcher : new Agent(ca === "" ? {} : { connect: { ca } });
    if (!isSame) void known?.dispatcher.close();
    known = { at: now(), token, ca, dispatcher };
    return known;
  }

  return {
    async post(id, body, signal) {
      const { token, dispatcher } = await settings(signal);
      const { statusCode, body: answer } = await request(url, {
        dispatcher,
        method: "POST",
        headers: {
          "content-type": "application/json",
          "idempotency-key": id,
          ...(token !== "" && { authorization: `Bearer ${token}` }),
        },
        body,
        signal,
        headersTimeout: POST_TIMEOUT_MS,
        bodyTimeout: POST_TIMEOUT_MS,
      });
      const text = await answer.text();
      if (statusCode >= 200 && statusCode < 300) return;
      throw new Error(`the relay answered ${statusCode}: ${text.slice(0, ANSWER_MAX_CHARS)}`);
    },
    async close() {
      await known?.dispatcher.close();
    },
  };
}

async function read(flag: string, file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`cannot read ${flag} ${file}: ${describeError(error)}`, { cause: error });
  }
}

/** The token to show: a file that is being renewed holds the new one first and the old one below it. */
function firstToken(text: string): string {
  return text.trim().split(/\s+/, 1)[0] ?? "";
}
