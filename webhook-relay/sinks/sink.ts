import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { RelayEvent } from "../event/event.ts";
import type { HttpClient } from "../net/http.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { Redactor } from "../redact.ts";
import type { ResolvedSubscription, Subscription } from "../subscriptions/subscription.ts";

/** Where events go: one sink per subscription, made anew when the subscription or one of its files changes. */
export interface Sink {
  /** batches that may be under way at once */
  readonly concurrency: number;
  /** longest time that {@link deliver} takes, in milliseconds; past it the attempt is aborted and counts as a timeout */
  readonly timeoutMs: number;
  readonly folding: Folding;
  /**
   * Milliseconds for which nothing should be taken from the store, so that what comes meanwhile goes along; missing: 0.
   * What is due waits for no attempt, unlike one that waits inside {@link deliver}.
   */
  waitMs?(): number;
  /** Which message an event may share with others; undefined: none, it is sent alone. Pure. */
  groupOf(event: RelayEvent): Group | undefined;
  /**
   * Makes one attempt to deliver a batch. Whatever goes wrong outside is an outcome; only a defect throws.
   * @param signal fires when the time is over or the relay stops; the attempt must end soon after
   */
  deliver(batch: Batch, attempt: Attempt, signal: AbortSignal): Promise<Outcome>;
  /** Gives connections back; attempts under way have ended. */
  close(): Promise<void>;
}

/** What a sink is made from. */
export interface SinkOptions<S extends Subscription = Subscription> {
  readonly resolved: ResolvedSubscription<S>;
  readonly http: HttpClient;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  readonly logger: Logger;
  readonly redactor: Redactor;
  readonly metrics: Pick<RelayMetrics, "slackCall">;
  readonly state: SinkState;
}

/** Makes the sink of a subscription. */
export type SinkFactory<S extends Subscription = Subscription> = (options: SinkOptions<S>) => Sink;

/** What a sink has remembered of its subscription; written through {@link OutcomeBase.state}. */
export interface SinkState {
  get(key: string): string | undefined;
}

/** One thing to remember, in the same transaction as the attempt. */
export interface SinkStateWrite {
  readonly key: string;
  /** undefined forgets it */
  readonly value: string | undefined;
}

/** Events that may share one message. */
export interface Group {
  readonly key: string;
  /** after a message of this key, the next one waits so long and takes what came meanwhile; 0: no wait */
  readonly intervalMs: number;
}

/** How deliveries of one group become a batch. */
export interface Folding {
  /** most deliveries in one batch */
  readonly max: number;
  /** most events of a batch that are handed over in full: the oldest, and the newest as the last */
  readonly load: number;
  /** a batch that failed takes up what came meanwhile; false keeps its content and id for every retry */
  readonly grows: boolean;
  /**
   * With more than so many groups due of which nothing is remembered, one batch takes them all; undefined: never. What a
   * sink remembers of a group it writes under the group's key, see {@link OutcomeBase.state}.
   */
  readonly overflowAfter: number | undefined;
}

/** One delivery of a batch. */
export interface BatchItem {
  readonly deliveryId: number;
  readonly event: RelayEvent;
  /** the event's JSON exactly as it was accepted */
  readonly body: string;
}

/** How many deliveries of a batch have the same type and severity. */
export interface BatchTally {
  readonly type: string;
  readonly severity: string;
  readonly count: number;
}

/** Deliveries that one message stands for. */
export interface Batch {
  /** stable over retries and replays: the event's id, or one made from the oldest event of several */
  readonly messageId: string;
  /** undefined for an event that is sent alone, and for an overflow batch */
  readonly groupKey: string | undefined;
  /** it was put together because too much was due, see {@link Folding.overflowAfter} */
  readonly isOverflow: boolean;
  /** deliveries in it; {@link items} may be fewer */
  readonly total: number;
  /** at least one, oldest first */
  readonly items: readonly BatchItem[];
  /** over all of them, sorted by type and severity */
  readonly tallies: readonly BatchTally[];
  /** times of the earliest and the latest event, RFC 3339 */
  readonly firstTime: string;
  readonly lastTime: string;
}

/** One attempt. */
export interface Attempt {
  /** from 1, over all attempts of this delivery */
  readonly number: number;
  /** milliseconds since 1970 */
  readonly startedAt: number;
  /** the delivery was asked for again by a person or a replay */
  readonly isReplay: boolean;
  /**
   * An earlier attempt may have got through, of this delivery or of another that is part of it now: the relay was killed
   * meanwhile, or its outcome said so. It stays so until something is delivered.
   */
  readonly mayHaveArrived: boolean;
}

/** What all outcomes may say. Texts are redacted by whoever makes them, and again before they are stored. */
export interface OutcomeBase {
  /** HTTP status, when there was one */
  readonly status?: number;
  /** beginning of the answer, for people */
  readonly excerpt?: string;
  /** written together with the attempt, whatever its outcome */
  readonly state?: readonly SinkStateWrite[];
}

/** Why an attempt failed. */
export interface Failure extends OutcomeBase {
  /** one word of a small set, e.g. "timeout" or "5xx": a label of metrics */
  readonly reason: string;
  /** one line for people */
  readonly message: string;
}

/** How an attempt ended. */
export type Outcome =
  | ({ readonly kind: "delivered" } & OutcomeBase)
  /** try again; see {@link RetryOutcome} */
  | RetryOutcome
  /** refused: trying again will hardly help, a few attempts and then it is dead */
  | ({ readonly kind: "rejected"; readonly retryAfterMs?: number } & Failure)
  /** never try this one again by itself */
  | ({ readonly kind: "dead" } & Failure)
  /**
   * Nothing can be delivered here until a person acts: the others wait, the subscription is off, and this one waits, too,
   * when it `keeps`, else it is dead.
   */
  | ({ readonly kind: "disable"; readonly keeps?: boolean } & Failure);

/** The attempt failed in a way that may pass. */
export interface RetryOutcome extends Failure {
  readonly kind: "retry";
  /** the receiver asked for this pause; the whole subscription keeps it. Milliseconds. */
  readonly retryAfterMs?: number;
  /** false when the receiver is not to blame or asked for less: it costs none of the delivery's attempts */
  readonly costsAttempt: boolean;
  /** whether it counts as a failure of the endpoint, for the breaker */
  readonly trips: boolean;
  /** it may have got through all the same; the next attempt is told, see {@link Attempt.mayHaveArrived} */
  readonly mayHaveArrived?: boolean;
}
