/**
 * A value that a caller gave is not acceptable: a flag, an RPC field, a claim. RPC handlers answer `invalid_argument`.
 */
export class InvalidValueError extends Error {
  override readonly name = "InvalidValueError";
  /** what the value was given as, e.g. "digest" or "names[1]" */
  readonly field: string;

  constructor(field: string, message: string, options?: ErrorOptions) {
    super(`${field}: ${message}`, options);
    this.field = field;
  }
}

/** Longest cause chain that {@link describeError} follows. */
const MAX_CAUSES = 8;

/**
 * One line about anything that was thrown: its message, then the messages of its causes that are not already part of
 * it. Never throws.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined && current !== null; depth += 1) {
    const message = messageOf(current);
    if (message !== "" && !parts.some((part) => part.includes(message))) parts.push(message);
    current = causeOf(current);
  }
  return parts.length > 0 ? parts.join(": ") : "unknown error";
}

/** The `code` that Node puts on system errors (`ENOENT`, `EADDRINUSE`), or "" when there is none. */
export function errorCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

function messageOf(value: unknown): string {
  try {
    if (value instanceof AggregateError && value.errors.length > 0) {
      const inner = value.errors.map(messageOf).join("; ");
      return value.message === "" ? inner : `${value.message}: ${inner}`;
    }
    // of what was begun one thing failed, and then another as it was ended: the first is the reason
    if (value instanceof SuppressedError)
      return [...new Set([value.suppressed, value.error].map(messageOf))].join("; ");
    if (value instanceof Error) return value.message === "" ? value.name : value.message;
    return String(value);
  } catch {
    return "error that cannot be printed";
  }
}

function causeOf(value: unknown): unknown {
  try {
    return value instanceof Error ? value.cause : undefined;
  } catch {
    return undefined;
  }
}
