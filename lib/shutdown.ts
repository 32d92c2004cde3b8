import process from "node:process";

import type { Clock } from "./clock.ts";

/** Where signals come from and how the process ends at once; tests give their own. */
export interface SignalSource {
  on(event: "SIGTERM" | "SIGINT", listener: (name: NodeJS.Signals) => void): unknown;
  exit(code: number): unknown;
}

/**
 * A signal that fires at the first SIGTERM or SIGINT. A second one ends the process at once with exit code 1, for
 * whoever does not want to wait.
 */
export function onShutdownSignal(source: SignalSource = process): AbortSignal {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) source.exit(1);
    stop.abort(new Error(`stopped by ${name}`));
  };
  source.on("SIGTERM", onSignal);
  source.on("SIGINT", onSignal);
  return stop.signal;
}

/**
 * Calls `onLate` when the end that a signal asks for takes longer than so many milliseconds.
 * @returns calls it off: everything has ended
 */
export function boundShutdown(
  stop: AbortSignal,
  options: { readonly timeoutMs: number; readonly clock: Clock; readonly onLate: () => void },
): () => void {
  const { timeoutMs, clock, onLate } = options;
  const ended = new AbortController();
  const onStop = (): void => {
    // a sleep that ends early was called off
    clock.sleep(timeoutMs, ended.signal).then(onLate, () => undefined);
  };
  if (stop.aborted) onStop();
  else stop.addEventListener("abort", onStop, { once: true });
  return () => {
    stop.removeEventListener("abort", onStop);
    ended.abort();
  };
}
