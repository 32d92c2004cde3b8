/** What went wrong with containerd: one place that tells its errors apart. */
import { Code, ConnectError } from "@connectrpc/connect";

/** There is no such blob, ingest, image, snapshot or lease. */
export function isNotFound(error: unknown): boolean {
  return hasCode(error, Code.NotFound);
}

/** It exists already: content, key or name. */
export function isAlreadyExists(error: unknown): boolean {
  return hasCode(error, Code.AlreadyExists);
}

/** containerd is not there, went away, or is not ready yet: wait for it and try again. */
export function isUnavailable(error: unknown): boolean {
  return hasCode(error, Code.Unavailable) && !isLocked(error);
}

/**
 * Another writer has the ingest's ref; containerd says so with the same code as for its absence (content/local/locks.go).
 * containerd 1.x tries for half a second before it does, and changes no other metadata meanwhile: ask rarely.
 */
export function isLocked(error: unknown): boolean {
  return hasCode(error, Code.Unavailable) && LOCKED.test(messageOf(error));
}

/** The disk or a quota is full. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof ConnectError && NO_SPACE.test(error.rawMessage);
}

/** The bytes written have another digest or size than commit was told; the message has both. */
export function isWrongContent(error: unknown): boolean {
  return hasCode(error, Code.FailedPrecondition) && WRONG_CONTENT.test(messageOf(error));
}

/** A message was larger than containerd's configuration allows (grpc.max_recv_message_size). */
export function isMessageTooLarge(error: unknown): boolean {
  return hasCode(error, Code.ResourceExhausted) && TOO_LARGE.test(messageOf(error));
}

/** What a call answers, undefined when containerd does not find what it is about. */
export async function undefinedIfNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** What a call answers, undefined when there is already what it was to make. */
export async function undefinedIfExists<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

/**
 * The error to give to callers, for anything that a call to containerd rejected with. Codes that containerd sends stay,
 * except that it has none for a full disk (here resource_exhausted), for a lost connection (unavailable), and for CRI
 * that still starts (unavailable).
 *
 * @param signal the caller's; once it has fired, the error is that the call was canceled
 */
export function toContainerdError(reason: unknown, socket: string, signal?: AbortSignal): ConnectError {
  if (signal?.aborted === true) return canceled(signal);
  const error = ConnectError.from(reason);
  const { code, rawMessage } = error;
  if (NO_SPACE.test(rawMessage)) return recode(error, Code.ResourceExhausted, rawMessage);
  if (code === Code.DeadlineExceeded) {
    return recode(error, code, `containerd at ${socket} did not answer in time: ${rawMessage}`);
  }
  if (code === Code.Unimplemented && rawMessage.includes("runtime.v1")) {
    return recode(
      error,
      code,
      `containerd at ${socket} does not serve CRI, enable its cri plugin: ${rawMessage}`,
    );
  }
  if (NOT_READY.test(rawMessage) || isConnectionLost(error)) return connectionLost(socket, error);
  return error;
}

/** The error for a call whose signal has fired; its cause is the signal's reason. */
export function canceled(signal: AbortSignal): ConnectError {
  const { reason } = signal;
  if (reason instanceof ConnectError) return reason;
  const message = `the call to containerd was canceled: ${messageOf(reason)}`;
  return new ConnectError(message, Code.Canceled, undefined, undefined, reason);
}

/** The error for a containerd that cannot be reached, or that went away during a call. */
export function connectionLost(socket: string, cause?: unknown): ConnectError {
  const detail = cause === undefined ? "" : `: ${messageOf(cause)}`;
  const message = `cannot reach containerd at ${socket}, check that it runs${detail}`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
}

const LOCKED = /\blocked for \S+ \(since /;
const NO_SPACE = /no space left on device|disk quota exceeded/;
const TOO_LARGE = /received message larger than max/;
const WRONG_CONTENT = /unexpected commit (digest|size)|failed size validation|unexpected digest/;
/** CRI before it has read its state (cri/server/service.go, "server is not initialized yet"). */
const NOT_READY = /server is not initialized yet/;
/** Codes that connect-node gives to failures of the connection, besides what containerd sends. */
const CONNECTION_CODES: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Aborted,
  Code.Internal,
  Code.Unavailable,
  Code.Unknown,
]);
const CONNECTION_WORDS =
  /^(http\/2 stream closed|protocol error|connect E|read E|write E|The session has been|The pending stream)/;

/** containerd itself never sends canceled or aborted to a caller that goes on; a Node error code is a socket's or session's. */
function isConnectionLost(error: ConnectError): boolean {
  if (!CONNECTION_CODES.has(error.code)) return false;
  return error.code === Code.Canceled || isNodeError(error.cause) || CONNECTION_WORDS.test(error.rawMessage);
}

function isNodeError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string";
}

function recode(error: ConnectError, code: Code, message: string): ConnectError {
  return new ConnectError(message, code, error.metadata, undefined, error);
}

function hasCode(error: unknown, code: Code): boolean {
  return error instanceof ConnectError && error.code === code;
}

function messageOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}
