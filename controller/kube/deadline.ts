import type { Clock } from "../../lib/clock.ts";

/** The time for something was over before it was done. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";

  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds} ms`);
  }
}

/**
 * Runs with a signal that fires with `signal`, or after so many milliseconds with a DeadlineError as its reason.
 * @throws what `run` throws
 */
export async function withDeadline<T>(
  clock: Clock,
  milliseconds: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const inner = new AbortController();
  const ended = new AbortController();
  const onAbort = (): void => inner.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  clock.sleep(milliseconds, ended.signal).then(
    () => inner.abort(new DeadlineError(milliseconds)),
    // it was ended in time
    () => undefined,
  );
  try {
    return await run(inner.signal);
  } finally {
    signal.removeEventListener("abort", onAbort);
    ended.abort();
  }
}

/**
 * Runs with a signal that fires with the first of several.
 * @throws what `run` throws
 */
export async function withSignals<T>(
  signals: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  const links = signals.map((signal) => {
    signal.throwIfAborted();
    const onAbort = (): void => inner.abort(signal.reason);
    return { signal, onAbort };
  });
  for (const { signal, onAbort } of links) signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await run(inner.signal);
  } finally {
    for (const { signal, onAbort } of links) signal.removeEventListener("abort", onAbort);
  }
}
