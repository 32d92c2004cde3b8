import { Code } from "@connectrpc/connect";

import { InvalidImageError } from "../image/manifest.ts";
import { MissingBlobError, NoPlatformError } from "../image/tree.ts";
import { isNoSpace, isUnavailable } from "../containerd/errors.ts";

/** How an import ended badly. */
export class ImportError extends Error {
  override readonly name = "ImportError";
  readonly code: Code;
  /** What arrived is worth keeping: the same import may succeed later. */
  readonly retryable: boolean;

  constructor(
    code: Code,
    message: string,
    options: { readonly retryable: boolean; readonly cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable;
  }
}

/** Why a running import is stopped from outside. */
export const StopReason = {
  cancelled: "cancelled",
  orphaned: "orphaned",
  shutdown: "shutdown",
} as const;
export type StopReason = (typeof StopReason)[keyof typeof StopReason];

/** The reason to give to AbortController.abort(). */
export function stopError(reason: StopReason, digest: string): ImportError {
  switch (reason) {
    case StopReason.cancelled:
      return new ImportError(Code.Canceled, `import of ${digest} was cancelled`, { retryable: false });
    case StopReason.orphaned:
      return new ImportError(Code.Aborted, `import of ${digest} stopped: all its callers are gone`, {
        retryable: true,
      });
    case StopReason.shutdown:
      return new ImportError(
        Code.Unavailable,
        `import of ${digest} stopped: the agent shuts down, call again`,
        {
          retryable: true,
        },
      );
  }
}

/** Sorts whatever an import failed with into code, sentence, and whether to keep what arrived. */
export function toImportError(error: unknown, digest: string): ImportError {
  if (error instanceof ImportError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof InvalidImageError || error instanceof NoPlatformError) {
    return new ImportError(Code.FailedPrecondition, message, { retryable: false, cause: error });
  }
  if (error instanceof MissingBlobError) {
    return new ImportError(Code.NotFound, message, { retryable: false, cause: error });
  }
  if (isNoSpace(error)) {
    return new ImportError(Code.ResourceExhausted, `no space left for ${digest} on this node: ${message}`, {
      retryable: false,
      cause: error,
    });
  }
  if (isUnavailable(error)) {
    return new ImportError(
      Code.Unavailable,
      `containerd went away during the import of ${digest}: ${message}`,
      {
        retryable: true,
        cause: error,
      },
    );
  }
  return new ImportError(Code.Internal, `import of ${digest} failed: ${message}`, {
    retryable: true,
    cause: error,
  });
}
