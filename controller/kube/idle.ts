import type { Clock } from "../../lib/clock.ts";

/** Nothing was heard for too long. */
export class IdleError extends Error {
  override readonly name = "IdleError";

  constructor(milliseconds: number) {
    super(`nothing was heard for ${milliseconds} ms`);
  }
}

/**
 * Runs with a signal that fires with `signal`, or with an IdleError once `touch` has not been called for so long. This is
 * what ends a connection whose other end has gone without a word.
 * @throws what `run` throws
 */
export async function withIdleLimit<T>(
  clock: Clock,
  milliseconds: number,
  signal: AbortSignal,
  run: (signal: AbortSignal, touch: () => void) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const inner = new AbortController();
  const ended = new AbortController();
  const onAbort = (): void => inner.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let touchedAt = clock.monotonic();
  const touch = (): void => {
    touchedAt = clock.monotonic();
  };

  async function watchOver(): Promise<void> {
    for (;;) {
      const left = touchedAt + milliseconds - clock.monotonic();
      if (left <= 0) break;
      await clock.sleep(left, ended.signal);
    }
    inner.abort(new IdleError(milliseconds));
  }
  // ended in time
  watchOver().catch(() => undefined);
  try {
    return await run(inner.signal, touch);
  } finally {
    signal.removeEventListener("abort", onAbort);
    ended.abort();
  }
}
