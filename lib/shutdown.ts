import process from "node:process";

/**
 * A signal that fires at the first SIGTERM or SIGINT. A second one ends the process at once with exit code 1, for
 * whoever does not want to wait.
 */
export function onShutdownSignal(): AbortSignal {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(1);
    stop.abort(new Error(`stopped by ${name}`));
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return stop.signal;
}
