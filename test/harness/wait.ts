import { setTimeout as sleep } from "node:timers/promises";

/** Options of waitFor. */
export interface WaitOptions {
  /** default 30000: busy machines are slow, and only what fails waits so long */
  readonly timeoutMs?: number;
  /** pause between checks, default 50 */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `check` until it returns something else than undefined or false, and returns that.
 * A check that throws counts as "not yet"; its last error is the cause of the Error thrown after timeoutMs.
 */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const { timeoutMs = 30_000, intervalMs = 50, signal } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    let cause: unknown;
    try {
      const found = await check();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      if (error instanceof GiveUp) throw error;
      cause = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause });
    }
    await sleep(intervalMs, undefined, { ...(signal && { signal }) });
  }
}

/** Thrown by a check of waitFor that knows that waiting is of no use. */
export class GiveUp extends Error {
  override readonly name = "GiveUp";
}
