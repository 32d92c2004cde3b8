/** Whether containerd answers, and waiting until it does. */
import { canceled, connectionLost, toContainerdError } from "./errors.ts";
import { PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS } from "./limits.ts";
import type { CallOptions, Containerd, WaitReadyOptions } from "./types.ts";

/**
 * Makes the two questions from one cheap call.
 * @param probe a unary call that any containerd answers at once
 */
export function createReadiness(
  socket: string,
  probe: (options: CallOptions) => Promise<unknown>,
): Pick<Containerd, "isAvailable" | "waitReady"> {
  async function failure(signal: AbortSignal | undefined, timeoutMs: number): Promise<unknown> {
    try {
      await probe({ signal, timeoutMs });
      return undefined;
    } catch (error) {
      if (signal?.aborted === true) throw canceled(signal);
      return toContainerdError(error, socket);
    }
  }

  async function waitReady({ timeoutMs, signal, sleep }: WaitReadyOptions): Promise<void> {
    // what the probes took and what the pauses were meant to take, whatever clock the sleep has
    let spentMs = 0;
    for (;;) {
      const start = performance.now();
      const error = await failure(signal, PROBE_TIMEOUT_MS);
      if (error === undefined) return;
      spentMs += performance.now() - start;
      if (spentMs >= timeoutMs) throw connectionLost(socket, error);
      const pauseMs = Math.min(PROBE_INTERVAL_MS, timeoutMs - spentMs);
      await sleep(pauseMs, signal);
      spentMs += pauseMs;
    }
  }

  return {
    isAvailable: async (signal) => (await failure(signal, PROBE_TIMEOUT_MS)) === undefined,
    waitReady,
  };
}
