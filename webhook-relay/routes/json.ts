import type { MatchResult } from "../control.ts";
import type { AttemptView, DeliveryView, EventView, ReplayView } from "../store/views.ts";

/** An event as the API shows it. */
export function eventJson(view: EventView): object {
  const event: unknown = JSON.parse(view.body);
  return { event, acceptedAt: timeJson(view.acceptedAt), deliveries: view.deliveries };
}

/** A delivery as the API shows it. */
export function deliveryJson(view: DeliveryView): object {
  return {
    id: view.id,
    subscription: view.subscription,
    state: view.state,
    event: {
      id: view.eventId,
      type: view.eventType,
      namespace: view.namespace,
      incident: view.incident,
    },
    createdAt: timeJson(view.createdAt),
    dueAt: timeJson(view.dueAt),
    endedAt: timeJson(view.endedAt),
    attemptCount: view.attempts,
    reason: view.reason,
    message: view.message,
    replay: view.isReplay,
    // the delivery whose message stands for this one, and how many one message stands for
    leadId: view.leadId ?? null,
    total: view.total,
  };
}

/** An attempt as the API shows it. */
export function attemptJson(view: AttemptView): object {
  return {
    number: view.number,
    startedAt: timeJson(view.startedAt),
    durationMs: view.durationMs,
    outcome: view.outcome,
    reason: view.reason,
    message: view.message,
    status: view.status ?? null,
    excerpt: view.excerpt,
    retryAfterMs: view.retryAfterMs ?? null,
  };
}

/** A replay as the API shows it. */
export function replayJson(view: ReplayView): object {
  const { query } = view;
  return {
    id: view.id,
    state: view.state,
    filter: {
      subscription: query.subscription ?? null,
      state: query.state ?? null,
      event: query.eventId ?? null,
      type: query.type ?? null,
      namespace: query.namespace ?? null,
      incident: query.incident ?? null,
      since: timeJson(query.since),
      until: timeJson(query.until),
    },
    ratePerSecond: view.perSecond,
    replayed: view.replayed,
    createdAt: timeJson(view.createdAt),
    endedAt: timeJson(view.endedAt),
  };
}

/** Whether a subscription wants an event, as the API shows it. */
export function matchJson(match: MatchResult): object {
  const { subscription, matches, because, isDisabled } = match;
  return { subscription, matches, because, disabled: isDisabled };
}

/** Milliseconds since 1970 as RFC 3339; null for none. */
export function timeJson(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
