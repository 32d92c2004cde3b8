import type { Clock } from "../../lib/clock.ts";
import { RunningTerm, type LeaderTerm } from "./leader-term.ts";
import { termByTime } from "./lease-record.ts";

/**
 * Leads without an election, for a controller that is the only one. Each start is a term of its own, numbered later than all
 * before, or agents would refuse what it signs once they have heard of a later one.
 *
 * @throws what `lead` throws before `signal` fires
 */
export async function leadAlone(
  lead: (term: LeaderTerm) => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const term = new RunningTerm({ epoch: termByTime(clock.now()), clock, until: Number.POSITIVE_INFINITY });
  const onAbort = (): void => term.end(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await lead(term);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
