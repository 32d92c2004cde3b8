/** What can be read from the store, as the API and the page show it. Times are milliseconds since 1970. */

/** How far a delivery is. `folded`: part of the message of another delivery that is not out yet. */
export const DELIVERY_STATES = ["pending", "delivering", "folded", "delivered", "dead"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One page of a list, newest first. */
export interface Page<T> {
  readonly items: readonly T[];
  /** give it back for the next page; undefined on the last */
  readonly next: string | undefined;
}

/** Which page. */
export interface PageRequest {
  /** 1 to {@link PAGE_MAX} */
  readonly limit: number;
  /** {@link Page.next} of the page before; undefined for the first */
  readonly cursor: string | undefined;
}

/** Items of a page, by default and at most. */
export const PAGE_DEFAULT = 50;
export const PAGE_MAX = 500;

/** Which events; what is undefined matches all. */
export interface EventQuery {
  readonly type?: string | undefined;
  readonly namespace?: string | undefined;
  readonly incident?: string | undefined;
  /** accepted at or after */
  readonly since?: number | undefined;
  /** accepted before */
  readonly until?: number | undefined;
}

/** Which deliveries; what is undefined matches all. */
export interface DeliveryQuery extends EventQuery {
  readonly subscription?: string | undefined;
  readonly state?: DeliveryState | undefined;
  readonly eventId?: string | undefined;
}

/** An event and what has become of it. */
export interface EventView {
  readonly id: string;
  readonly type: string;
  readonly namespace: string;
  readonly incident: string;
  readonly acceptedAt: number;
  /** the event's JSON as it was accepted */
  readonly body: string;
  /** how many of its deliveries are in each state; states without any are left out */
  readonly deliveries: Readonly<Partial<Record<DeliveryState, number>>>;
}

/** A delivery of one event to one subscription. */
export interface DeliveryView {
  readonly id: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly namespace: string;
  readonly incident: string;
  readonly subscription: string;
  readonly state: DeliveryState;
  readonly createdAt: number;
  /** when it is tried next; undefined unless pending */
  readonly dueAt: number | undefined;
  /** when it was delivered or died */
  readonly endedAt: number | undefined;
  readonly attempts: number;
  /** why the last attempt failed, or why it is dead; "" when nothing has failed */
  readonly reason: string;
  readonly message: string;
  readonly isReplay: boolean;
  /** the delivery whose message stands for this one, too */
  readonly leadId: number | undefined;
  /** deliveries that this one's message stands for, itself included */
  readonly total: number;
}

/** One attempt at a delivery. */
export interface AttemptView {
  readonly number: number;
  readonly startedAt: number;
  readonly durationMs: number;
  /** "delivered", "retry", "rejected", "dead", "disable", or "interrupted" when the relay was killed meanwhile */
  readonly outcome: string;
  readonly reason: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly excerpt: string;
  readonly retryAfterMs: number | undefined;
}

/** One incident: the transitions of one owner and image. */
export interface IncidentView {
  readonly incident: string;
  readonly namespace: string;
  readonly events: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** the newest event's JSON */
  readonly body: string;
}

/** How far a subscription's circuit breaker is. */
export const BREAKER_STATES = ["closed", "half_open", "open"] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** Health of a subscription; kept over restarts. */
export interface SubscriptionHealth {
  readonly breaker: BreakerState;
  /** failures in a row */
  readonly failures: number;
  /** how often the breaker has opened since the last success */
  readonly trips: number;
  /** since when there was nothing but failure */
  readonly failingSince: number | undefined;
  /** nothing is sent before: the receiver asked for it, or the breaker is open */
  readonly pausedUntil: number | undefined;
  /** the part of it that the receiver asked for: it holds whatever the breaker does */
  readonly askedUntil: number | undefined;
  readonly lastSuccessAt: number | undefined;
  readonly lastFailureAt: number | undefined;
  readonly lastFailure: string;
  /** who switched it off: a person, the receiver (410 and the like), or the relay after a day of failure */
  readonly disabledBy: "operator" | "receiver" | "relay" | undefined;
  readonly disabledAt: number | undefined;
  readonly disabledReason: string;
}

/** A replay of past events: a job that goes on after a restart. */
export interface ReplayView {
  readonly id: number;
  readonly state: "running" | "done" | "cancelled";
  readonly createdAt: number;
  readonly endedAt: number | undefined;
  /** what is replayed; deliveries that are pending or under way are left alone */
  readonly query: DeliveryQuery;
  /** deliveries a second */
  readonly perSecond: number;
  /** deliveries that were asked for again so far */
  readonly replayed: number;
}
