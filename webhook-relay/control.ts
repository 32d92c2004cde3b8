import type { RelayEvent } from "./event/event.ts";
import type {
  AttemptView,
  DeliveryQuery,
  DeliveryView,
  EventQuery,
  EventView,
  IncidentView,
  Page,
  PageRequest,
  ReplayView,
  SubscriptionHealth,
} from "./store/views.ts";
import type { Subscription } from "./subscriptions/subscription.ts";

/** What people and programs may ask of a running relay. Reads are of what is committed; writes are on disk on return. */
export interface RelayControl {
  events(query: EventQuery, page: PageRequest): Page<EventView>;
  event(id: string): EventView | undefined;
  deliveries(query: DeliveryQuery, page: PageRequest): Page<DeliveryView>;
  delivery(id: number): DeliveryView | undefined;
  attempts(deliveryId: number): readonly AttemptView[];
  incidents(page: PageRequest): Page<IncidentView>;
  /** every subscription of the configuration in force, in its order */
  subscriptions(): readonly SubscriptionStatus[];
  /** which subscriptions want an event, and why the others do not */
  match(event: RelayEvent): readonly MatchResult[];

  /** Sends a delivery again now, with all its attempts before it and the same `webhook-id`. */
  redeliver(deliveryId: number): Promise<"queued" | "not_found" | "under_way">;
  /** Switches a subscription on or off; false when there is none of that name. What waits for it goes on waiting. */
  setEnabled(name: string, enabled: boolean, reason: string): Promise<boolean>;
  /** Sends an event of type "tote.relay.test" to this subscription alone; undefined when there is none of that name. */
  sendTest(name: string): Promise<{ readonly eventId: string; readonly deliveryId: number } | undefined>;

  createReplay(query: DeliveryQuery, perSecond: number): Promise<ReplayView>;
  replay(id: number): ReplayView | undefined;
  replays(page: PageRequest): Page<ReplayView>;
  /** false when it is not running */
  cancelReplay(id: number): Promise<boolean>;
}

/** A subscription and how it fares. */
export interface SubscriptionStatus {
  readonly subscription: Subscription;
  /** scheme, host and port of where it sends, without path and credentials */
  readonly target: string;
  readonly health: SubscriptionHealth;
  readonly pending: number;
  readonly delivering: number;
  /** part of the message of another delivery that is not out yet */
  readonly folded: number;
  readonly dead: number;
  /** when the oldest delivery that is not out was accepted, milliseconds since 1970 */
  readonly oldestPendingAt: number | undefined;
}

/** Whether a subscription wants an event. */
export interface MatchResult {
  readonly subscription: string;
  readonly matches: boolean;
  /** "" when it matches, else the part of the filter that does not */
  readonly because: string;
  /** it is off: what matches waits until somebody switches it on */
  readonly isDisabled: boolean;
}
