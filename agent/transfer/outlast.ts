import type { Clock } from "../../lib/clock.ts";
import { isUnavailable } from "../containerd/errors.ts";
import type { Containerd } from "../containerd/types.ts";
import { CONTAINERD_MAX_RESTARTS, CONTAINERD_PAUSE_MS, CONTAINERD_WAIT_MS } from "../limits.ts";

/** What waiting for containerd takes. */
export interface OutlastOptions {
  readonly containerd: Pick<Containerd, "waitReady">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Does work that may be begun anew, again each time that containerd goes away meanwhile and comes back.
 * @throws what `work` throws; unavailable when containerd stays away, or goes away again and again; the signal's reason
 */
export async function outlastRestarts<T>(work: () => Promise<T>, options: OutlastOptions): Promise<T> {
  const { containerd, clock, signal } = options;
  const sleep = (milliseconds: number, until: AbortSignal): Promise<void> => clock.sleep(milliseconds, until);
  for (let restarts = 0; ; restarts++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!isUnavailable(error) || restarts >= CONTAINERD_MAX_RESTARTS) throw error;
    }
    await containerd.waitReady({ timeoutMs: CONTAINERD_WAIT_MS, signal, sleep });
    // one that answers that it is there and fails all the same is not asked without end
    if (restarts > 0) await sleep(CONTAINERD_PAUSE_MS, signal);
  }
}
