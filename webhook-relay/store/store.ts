import type { SinkState } from "../sinks/sink.ts";
import type { AcceptedEvent, NewEvent } from "./accept-events.ts";
import type { AttemptEnd } from "./end-attempt.ts";
import type { Lease, LeaseRequest } from "./lease-deliveries.ts";
import type { ExpiryStep, RetentionResult, RetentionStep } from "./retention.ts";
import type { ReplayStep } from "./send-again.ts";
import type { Batch } from "../sinks/sink.ts";
import type {
  AttemptView,
  DeliveryQuery,
  DeliveryState,
  DeliveryView,
  EventQuery,
  EventView,
  IncidentView,
  Page,
  PageRequest,
  ReplayView,
  SubscriptionHealth,
} from "./views.ts";

/**
 * Where the relay keeps everything. What returns a promise writes, and is committed when the promise is fulfilled; it
 * rejects with a StoreError, and then nothing of it was written. The rest reads what is committed.
 */
export interface RelayStore {
  /** Writes events and all their deliveries in one transaction. */
  accept(events: readonly NewEvent[], now: number): Promise<readonly AcceptedEvent[]>;

  /** When the next delivery of a subscription is due; undefined when none waits. */
  nextDue(subscription: string): number | undefined;
  lease(request: LeaseRequest): Promise<readonly Lease[]>;
  /** Gives back leases that were not used. */
  unlease(leases: readonly Lease[]): Promise<void>;
  /** Reads what a lease is about, see `Folding.load`. */
  batch(lease: Lease, load: number): Batch;
  endAttempt(end: AttemptEnd): Promise<"recorded" | "stale">;
  /** Makes deliveries due now that wait for their next attempt: the receiver is back. */
  hasten(subscription: string, now: number): Promise<void>;
  /** Makes the first of them due now; false when there is none. */
  hastenOne(subscription: string, now: number): Promise<boolean>;
  /** Moves when deliveries are due, and when their age began, by milliseconds: after the clock was set. */
  shiftTimes(by: { readonly due: number; readonly age: number }): Promise<void>;

  sendAgain(deliveryId: number, now: number): Promise<"queued" | "not_found" | "under_way">;
  createReplay(query: DeliveryQuery, perSecond: number, now: number): Promise<ReplayView>;
  stepReplay(id: number, count: number, now: number): Promise<ReplayStep | undefined>;
  /** false when it is not running */
  cancelReplay(id: number, now: number): Promise<boolean>;
  runningReplays(): readonly ReplayView[];
  replay(id: number): ReplayView | undefined;
  replays(page: PageRequest): Page<ReplayView>;

  health(subscription: string): SubscriptionHealth;
  saveHealth(subscription: string, health: SubscriptionHealth): Promise<void>;
  sinkState(subscription: string): SinkState;

  events(query: EventQuery, page: PageRequest): Page<EventView>;
  event(id: string): EventView | undefined;
  deliveries(query: DeliveryQuery, page: PageRequest): Page<DeliveryView>;
  delivery(id: number): DeliveryView | undefined;
  attempts(deliveryId: number): readonly AttemptView[];
  incidents(page: PageRequest): Page<IncidentView>;

  /** how many deliveries that are not delivered each subscription has, by state */
  counts(): readonly StateCount[];
  size(): StoreSize;
  /** Writes what is there already, to see whether anything can be written. */
  probe(): Promise<void>;

  /** Gives up deliveries that have waited too long; answers how many. */
  expire(step: ExpiryStep): Promise<number>;
  deleteEnded(step: RetentionStep): Promise<RetentionResult>;
  /** Deletes ids of deleted events, windows, sinks' memories and ended replays from before. */
  deleteRemembered(before: number): Promise<void>;
  /** Gives free pages back to the file system, some at a time. */
  vacuum(): void;

  /** Writes what waits, empties the log into the file, and gives the file back. */
  close(): void;
}

/** Deliveries of one subscription in one state. */
export interface StateCount {
  readonly subscription: string;
  readonly state: DeliveryState;
  readonly count: number;
  /** when the oldest was made, milliseconds since 1970 */
  readonly oldest: number;
}

/** How large the store is, in bytes. */
export interface StoreSize {
  /** what the data takes */
  readonly used: number;
  /** what the file takes, free pages included */
  readonly file: number;
}
