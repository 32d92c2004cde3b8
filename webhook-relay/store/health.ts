import { text } from "./database.ts";
import type { Statements } from "./statements.ts";
import { BREAKER_STATES, type SubscriptionHealth } from "./views.ts";

/** A subscription of which nothing is known. */
export const UNKNOWN_HEALTH: SubscriptionHealth = {
  breaker: "closed",
  failures: 0,
  trips: 0,
  failingSince: undefined,
  pausedUntil: undefined,
  askedUntil: undefined,
  lastSuccessAt: undefined,
  lastFailureAt: undefined,
  lastFailure: "",
  disabledBy: undefined,
  disabledAt: undefined,
  disabledReason: "",
};

/** What is remembered of a subscription's health. */
export function readHealth(statements: Statements, subscription: string): SubscriptionHealth {
  const row = statements.findHealth.get(subscription);
  if (row === undefined) return UNKNOWN_HEALTH;
  const stored: unknown = JSON.parse(text(row, "value"));
  return isHealth(stored) ? { ...UNKNOWN_HEALTH, ...stored } : UNKNOWN_HEALTH;
}

/** What an older release wrote has fewer fields; what makes no sense at all is forgotten. */
function isHealth(value: unknown): value is Partial<SubscriptionHealth> {
  if (typeof value !== "object" || value === null) return false;
  return !("breaker" in value) || (BREAKER_STATES as readonly unknown[]).includes(value.breaker);
}
