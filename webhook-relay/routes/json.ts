import type { AttemptView, DeliveryView, EventView } from "../store/views.ts";

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

/** Milliseconds since 1970 as RFC 3339; null for none. */
export function timeJson(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
