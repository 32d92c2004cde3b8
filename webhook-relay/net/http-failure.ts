import { describeError, errorCode } from "../../lib/errors.ts";
import { HttpFailure, type HttpFailureReason } from "./http.ts";

/** Codes of Node, OpenSSL and undici by what they mean; a prefix ends in "*". */
const REASONS: readonly (readonly [code: string, reason: HttpFailureReason])[] = [
  ["ENOTFOUND", "dns"],
  ["EAI_*", "dns"],
  ["EDNS*", "dns"],
  ["ECONNREFUSED", "refused"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["EHOSTDOWN", "unreachable"],
  ["EADDRNOTAVAIL", "unreachable"],
  ["ECONNRESET", "reset"],
  ["EPIPE", "reset"],
  ["ECONNABORTED", "reset"],
  ["ETIMEDOUT", "timeout"],
  ["UND_ERR_CONNECT_TIMEOUT", "timeout"],
  ["UND_ERR_HEADERS_TIMEOUT", "timeout"],
  ["UND_ERR_BODY_TIMEOUT", "timeout"],
  ["UND_ERR_SOCKET", "reset"],
  ["UND_ERR_PRX_*", "proxy"],
  ["HPE_*", "protocol"],
  ["UND_ERR_*", "protocol"],
  ["ERR_TLS_*", "tls"],
  ["ERR_SSL_*", "tls"],
  ["EPROTO", "tls"],
  ["CERT_*", "tls"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "tls"],
  ["UNABLE_TO_*", "tls"],
  ["ERROR_IN_CERT_*", "tls"],
  ["CRL_*", "tls"],
  ["INVALID_CA", "tls"],
  ["INVALID_PURPOSE", "tls"],
  ["PATH_LENGTH_EXCEEDED", "tls"],
  ["HOSTNAME_MISMATCH", "tls"],
];

/** undici tells of a proxy that refuses by these words alone. */
const PROXY_REFUSAL = /Proxy response \(\d+\)|Proxy Authentication Required/;

/** What went wrong with a POST, in one word and one line. */
export function toHttpFailure(error: unknown, signal: AbortSignal): HttpFailure {
  if (signal.aborted) return abortFailure(signal);
  const found = findFailure(error);
  if (found !== undefined) return found;
  const message = describeError(error);
  if (PROXY_REFUSAL.test(message)) {
    return new HttpFailure("proxy", `the proxy does not let it through: ${message}`, { cause: error });
  }
  const codes = codesOf(error);
  const reason = codes.map(reasonOf).find((one) => one !== undefined) ?? "protocol";
  return new HttpFailure(reason, message, { cause: error });
}

function abortFailure(signal: AbortSignal): HttpFailure {
  const { reason } = signal;
  const isTimeout = reason instanceof Error && reason.name === "TimeoutError";
  return new HttpFailure(isTimeout ? "timeout" : "aborted", describeError(reason), { cause: reason });
}

/** A refusal of our own may come wrapped by whoever dialled. */
function findFailure(error: unknown): HttpFailure | undefined {
  for (const one of chainOf(error)) if (one instanceof HttpFailure) return one;
  return undefined;
}

function codesOf(error: unknown): readonly string[] {
  return chainOf(error)
    .map(errorCode)
    .filter((code) => code !== "");
}

function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  const rest: unknown[] = [error];
  while (rest.length > 0 && chain.length < 16) {
    const one = rest.shift();
    chain.push(one);
    // several addresses were tried: each has an error of its own
    if (one instanceof AggregateError) rest.push(...one.errors);
    if (one instanceof Error && one.cause !== undefined) rest.push(one.cause);
  }
  return chain;
}

function reasonOf(code: string): HttpFailureReason | undefined {
  return REASONS.find(([known]) =>
    known.endsWith("*") ? code.startsWith(known.slice(0, -1)) : code === known,
  )?.[1];
}
