import { redactText } from "../../lib/redact.ts";
import { ERROR_MESSAGE_MAX_CHARS } from "./limits.ts";
import type { Status } from "./objects.ts";

/** What an {@link ApiError} is made from. */
export interface ApiErrorDetails {
  /** HTTP status, 0 when there was no answer */
  readonly status: number;
  /** the API server's word, e.g. "NotFound" or "Conflict"; ours without an answer: "Unreachable" or "Timeout" */
  readonly reason: string;
  /** what the API server says */
  readonly message: string;
  /** milliseconds that the API server asks to wait */
  readonly retryAfterMs?: number | undefined;
  /** the API server's `details.causes[].reason`, e.g. "FieldValueInvalid" */
  readonly causes?: readonly string[];
}

/**
 * A call to the API server failed. The message says what was asked for and what the API server answered; headers and
 * bodies, and so tokens, are never part of it.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly causes: readonly string[];

  /** @param action what was asked for, e.g. "patch pods/status shop/web-1" */
  constructor(action: string, details: ApiErrorDetails, options?: ErrorOptions) {
    const said = redactText(details.message).slice(0, ERROR_MESSAGE_MAX_CHARS);
    const code = details.status === 0 ? "" : `${details.status} `;
    super(`cannot ${action}: ${code}${details.reason}${said === "" ? "" : `: ${said}`}`, options);
    this.status = details.status;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.causes = details.causes ?? [];
  }
}

/** No such object, or no such resource. */
export function isNotFound(error: unknown): error is ApiError {
  return hasStatus(error, 404);
}

/** The object has changed since it was read. */
export function isConflict(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason !== "AlreadyExists";
}

/** An object of this name exists. */
export function isAlreadyExists(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason === "AlreadyExists";
}

/** The resource version or continue token is too old: the list must begin anew. */
export function isExpired(error: unknown): error is ApiError {
  return hasStatus(error, 410);
}

/** RBAC or an admission rule forbids it. */
export function isForbidden(error: unknown): error is ApiError {
  return hasStatus(error, 403);
}

/** The object breaks a rule of its kind: sending it again does not help. */
export function isInvalid(error: unknown): error is ApiError {
  return hasStatus(error, 422) || hasStatus(error, 400);
}

/** Worth another try later: no answer, too many requests, or trouble inside the API server. */
export function isTransient(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/**
 * The resource version is one that the API server does not have yet, as after etcd was restored from a backup.
 * Source: k8s.io/apimachinery, errors.IsTooLargeResourceVersion.
 */
export function isTooLargeVersion(error: unknown): error is ApiError {
  return (
    error instanceof ApiError &&
    (error.causes.includes("ResourceVersionTooLarge") || error.message.includes("Too large resource version"))
  );
}

/** The error that a Status stands for, whether it came as an answer or as a line of a watch. */
export function statusError(action: string, status: Status, retryAfterMs?: number): ApiError {
  const seconds = status.details?.retryAfterSeconds ?? 0;
  return new ApiError(action, {
    status: status.code ?? 500,
    reason: status.reason ?? "Unknown",
    message: status.message ?? "",
    retryAfterMs: retryAfterMs ?? (seconds > 0 ? seconds * 1000 : undefined),
    causes: (status.details?.causes ?? []).flatMap(({ reason }) => (reason === undefined ? [] : [reason])),
  });
}

function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}
