import { Agent, Pool, ProxyAgent, request, type Dispatcher } from "undici";

import { describeError } from "../../lib/errors.ts";
import { RESPONSE_MAX_BYTES } from "../limits.ts";
import { createConnector, tlsOptions, type ConnectorOptions } from "./connect.ts";
import { HttpFailure, type HttpAnswer, type HttpClient, type HttpRequest } from "./http.ts";
import { toHttpFailure } from "./http-failure.ts";
import { splitCredentials } from "./url-credentials.ts";

/** What a client is made from. */
export interface HttpClientOptions extends ConnectorOptions {
  /** http:// or https://, with credentials if need be; "" goes without */
  readonly proxyUrl: string;
  /** connections to one receiver */
  readonly connections: number;
}

/** Makes the client of one subscription. Connects when it is used. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const dispatcher = options.proxyUrl === "" ? directAgent(options) : proxyAgent(options);
  return {
    post: (message, signal) => post(dispatcher, message, signal),
    close: () => dispatcher.destroy(),
  };
}

/** The whole attempt has one timeout, that of its signal, so undici's own are off. */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0 };

function directAgent(options: HttpClientOptions): Dispatcher {
  return new Agent({
    connect: createConnector(options),
    connections: options.connections,
    pipelining: 1,
    ...NO_TIMEOUTS,
  });
}

function proxyAgent(options: HttpClientOptions): Dispatcher {
  const { proxyUrl, tls, connections, policy, timeoutMs } = options;
  // the certificates of the subscription are the receiver's business, not the proxy's
  const dial = createConnector({ ...options, tls: { ca: tls.ca, cert: "", key: "" } });
  const toProxy: typeof dial = (target, callback) =>
    dial(target, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(blameProxy(error), null);
    });
  const agent = new ProxyAgent({
    uri: proxyUrl,
    proxyTunnel: true,
    connections,
    connectTimeout: timeoutMs,
    requestTls: { ...tlsOptions(tls), allowH2: false },
    clientFactory: (origin, clientOptions) => new Pool(origin, { ...clientOptions, connect: toProxy }),
    ...NO_TIMEOUTS,
  });
  return agent.compose((dispatch) => (dispatchOptions, handler) => {
    const host = new URL(String(dispatchOptions.origin)).hostname.replace(/^\[(.*)\]$/, "$1");
    const refusal = policy.refusal(host);
    // a name is the proxy's to look up; a literal is known here already
    if (refusal === undefined || refusal === "no address") return dispatch(dispatchOptions, handler);
    throw new HttpFailure(
      "address",
      `the address ${host} is not dialled, nor asked of the proxy: ${refusal}`,
    );
  });
}

function blameProxy(error: Error): HttpFailure {
  if (error instanceof HttpFailure) return error;
  return new HttpFailure("proxy", `the proxy cannot be reached: ${describeError(error)}`, { cause: error });
}

async function post(dispatcher: Dispatcher, message: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  // undici leaves credentials of a URL out without a word
  const { url, authorization } = splitCredentials(message.url);
  try {
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: "POST",
      headers: { ...(authorization !== "" && { authorization }), ...message.headers },
      body: message.body,
      signal,
    });
    const { text, isTruncated } = await readBody(body);
    return { status: statusCode, headers: flatten(headers), body: text, isTruncated };
  } catch (error) {
    throw toHttpFailure(error, signal);
  }
}

async function readBody(
  body: AsyncIterable<Uint8Array> & { destroy(): unknown },
): Promise<{ readonly text: string; readonly isTruncated: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > RESPONSE_MAX_BYTES) break;
    }
  } finally {
    // nothing more is read, so the connection cannot be used again
    if (length > RESPONSE_MAX_BYTES) body.destroy();
  }
  const bytes = Buffer.concat(chunks).subarray(0, RESPONSE_MAX_BYTES);
  return { text: new TextDecoder().decode(bytes), isTruncated: length > RESPONSE_MAX_BYTES };
}

function flatten(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
