import type { Outcome } from "../sinks/sink.ts";

/** What receivers are mostly like. */
export const MOODS = ["fair", "down", "refusing"] as const;
export type Mood = (typeof MOODS)[number];

const FAILURE = { reason: "5xx", message: "answered 503" };

/** Whatever a receiver may do. */
export function anyOutcome(random: () => number, mood: Mood): Outcome {
  const isMood = random() < 0.9;
  if (isMood && mood === "down") return { kind: "retry", ...FAILURE, costsAttempt: true, trips: true };
  const asked = random() < 0.3 ? { retryAfterMs: Math.floor(random() * 100_000) } : {};
  if (isMood && mood === "refusing") return { kind: "rejected", ...FAILURE, ...asked };
  const kind = random();
  if (kind < 0.35) return { kind: "delivered", status: 200 };
  if (kind < 0.65) return { kind: "retry", ...FAILURE, ...asked, costsAttempt: true, trips: true };
  if (kind < 0.8) return { kind: "retry", ...FAILURE, ...asked, costsAttempt: false, trips: false };
  if (kind < 0.93) return { kind: "rejected", ...FAILURE, ...asked };
  if (kind < 0.97) return { kind: "dead", ...FAILURE };
  return { kind: "disable", ...FAILURE, keeps: random() < 0.5 };
}
