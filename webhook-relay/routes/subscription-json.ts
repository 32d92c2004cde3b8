import type { SubscriptionStatus } from "../control.ts";
import type { SubscriptionHealth } from "../store/views.ts";
import type { EventFilter } from "../subscriptions/subscription.ts";
import { timeJson } from "./json.ts";

/** How a subscription fares, in one word. */
export const SUBSCRIPTION_STATES = ["ok", "failing", "paused", "disabled"] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/** How a subscription fares now. Pure. */
export function subscriptionState(health: SubscriptionHealth, now: number): SubscriptionState {
  if (health.disabledBy !== undefined) return "disabled";
  if (health.breaker !== "closed" || health.failures > 0) return "failing";
  return health.pausedUntil !== undefined && health.pausedUntil > now ? "paused" : "ok";
}

/** A subscription as the API shows it: what it is, never a secret nor where secrets are, and how it fares. */
export function subscriptionJson(status: SubscriptionStatus, now: number): object {
  const { subscription, target, health, oldestPendingAt } = status;
  return {
    name: subscription.name,
    type: subscription.type,
    format: subscription.type === "webhook" ? subscription.format : null,
    channel: subscription.type === "slack" ? (subscription.channel ?? null) : null,
    target,
    filter: filterJson(subscription.filter),
    timeoutMs: subscription.timeoutMs,
    retry: subscription.retry,
    rateLimit: subscription.rateLimit ?? null,
    group: subscription.group ?? null,
    state: subscriptionState(health, now),
    health: healthJson(health),
    queue: {
      pending: status.pending,
      delivering: status.delivering,
      folded: status.folded,
      dead: status.dead,
      oldestPendingAt: timeJson(oldestPendingAt),
      lagMs: oldestPendingAt === undefined ? 0 : Math.max(0, now - oldestPendingAt),
    },
  };
}

function filterJson({ events, namespaces, minSeverity, severities }: EventFilter): object {
  return { events, namespaces, minSeverity: minSeverity ?? null, severities };
}

function healthJson(health: SubscriptionHealth): object {
  return {
    breaker: health.breaker,
    failures: health.failures,
    failingSince: timeJson(health.failingSince),
    pausedUntil: timeJson(health.pausedUntil),
    lastSuccessAt: timeJson(health.lastSuccessAt),
    lastFailureAt: timeJson(health.lastFailureAt),
    lastFailure: health.lastFailure,
    disabledBy: health.disabledBy ?? null,
    disabledAt: timeJson(health.disabledAt),
    disabledReason: health.disabledReason,
  };
}
