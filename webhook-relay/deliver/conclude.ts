import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { ERROR_MAX_CHARS, EXCERPT_MAX_CHARS, STORE_RETRY_MS } from "../limits.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { Outcome } from "../sinks/sink.ts";
import type { AttemptEnd } from "../store/end-attempt.ts";
import { StoreError } from "../store/database.ts";
import type { Lease } from "../store/lease-deliveries.ts";
import type { RelayStore } from "../store/store.ts";
import type { RetryPolicy } from "../subscriptions/subscription.ts";
import type { FinishedAttempt } from "./attempt-runner.ts";
import { afterDisable, afterFailure, afterPause, afterSuccess } from "./breaker.ts";
import { decide, type Decision } from "./decide.ts";
import type { LaneHealth } from "./lane-health.ts";

/** What an attempt was about. */
export interface ConcludeContext {
  readonly lease: Lease;
  /** of its earliest event, milliseconds since 1970; undefined when that could not be read */
  readonly firstTime: number | undefined;
  /** milliseconds since 1970 */
  readonly startedAt: number;
  readonly policy: RetryPolicy;
  /** see `DecisionContext` */
  readonly isEarly: boolean;
}

/** What conclusions are drawn with. */
export interface ConcludeOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  readonly redact: (text: string) => string;
  /** what cannot be written when it fires is left to the next relay, which makes the attempt anew */
  readonly giveUp: AbortSignal;
}

/** Draws the conclusions of an attempt, for the delivery and for its subscription, and writes them in one transaction. */
export async function concludeAttempt(
  finished: FinishedAttempt,
  context: ConcludeContext,
  health: LaneHealth,
  options: ConcludeOptions,
): Promise<void> {
  const { store, clock, metrics, logger } = options;
  const { lease, firstTime } = context;
  const wasDown = isDown(health);
  if (!finished.isInterrupted) judge(finished.outcome, health, options);
  const written = health.toWrite();
  const end = endOf(finished, context, { ...options, health: written });
  const result = await persist(end, options);
  if (result === "stale") {
    logger.warn("somebody else has got the delivery meanwhile, this attempt does not count", {
      delivery: lease.deliveryId,
    });
    return;
  }
  if (written !== undefined) health.wrote(written);
  metrics.attempt(lease.subscription, {
    outcome: end.attempt.outcome,
    reason: end.reason,
    durationMs: finished.durationMs,
  });
  if (end.state !== "pending") {
    const latencyMs = clock.now() - (firstTime ?? lease.ageFrom);
    metrics.ended(lease.subscription, {
      state: end.state,
      reason: end.reason,
      count: lease.total,
      latencyMs,
    });
  }
  if (end.state === "dead") {
    logger.warn("a delivery is dead, it can be sent again by hand", {
      delivery: lease.deliveryId,
      events: lease.total,
      reason: end.reason,
      cause: end.message,
    });
  }
  // what waits for its next attempt need not wait any longer
  if (wasDown && !isDown(health)) await store.hasten(lease.subscription, clock.now());
}

function isDown({ current }: LaneHealth): boolean {
  return current.breaker !== "closed";
}

/** What the outcome says about the subscription. */
function judge(outcome: Outcome, health: LaneHealth, options: ConcludeOptions): void {
  const { clock, random } = options;
  const now = clock.now();
  if (outcome.kind === "delivered") {
    health.set(afterSuccess(health.current, now));
    return;
  }
  const message = options.redact(outcome.message).slice(0, ERROR_MAX_CHARS);
  const trips = outcome.kind === "retry" && outcome.trips;
  health.set(afterFailure(health.current, { now, message, trips, random }));
  if (outcome.kind === "disable") health.set(afterDisable(health.current, "receiver", message, now));
  const pauseMs = outcome.kind === "retry" || outcome.kind === "rejected" ? outcome.retryAfterMs : undefined;
  if (pauseMs !== undefined && pauseMs > 0) health.set(afterPause(health.current, now + pauseMs));
}

function endOf(
  { outcome, durationMs, isInterrupted }: FinishedAttempt,
  { lease, startedAt, policy, isEarly }: ConcludeContext,
  options: ConcludeOptions & { readonly health: AttemptEnd["health"] },
): AttemptEnd {
  const { clock, random, redact, health } = options;
  const now = clock.now();
  const decision = isInterrupted
    ? giveBack(lease, now)
    : decide(outcome, { lease, policy, isEarly, now, random });
  return {
    ...decision,
    lease,
    now,
    message: redact(decision.message).slice(0, ERROR_MAX_CHARS),
    mayHaveArrived:
      outcome.kind !== "delivered" && (lease.mayHaveArrived || mayArrive(outcome, isInterrupted)),
    attempt: {
      startedAt,
      durationMs,
      outcome: isInterrupted ? "interrupted" : outcome.kind,
      status: outcome.status,
      excerpt: redact(outcome.excerpt ?? "").slice(0, EXCERPT_MAX_CHARS),
      retryAfterMs: "retryAfterMs" in outcome ? outcome.retryAfterMs : undefined,
    },
    sinkState: outcome.state ?? [],
    health,
  };
}

function mayArrive(outcome: Outcome, isInterrupted: boolean): boolean {
  return isInterrupted || (outcome.kind === "retry" && outcome.mayHaveArrived === true);
}

/** The relay stops: the attempt costs nothing, and the next relay makes it anew. */
function giveBack({ spent, rejections }: Lease, now: number): Decision {
  const message = "the relay stopped during the attempt, whether it arrived is not known";
  return { state: "pending", dueAt: now, spent, rejections, reason: "interrupted", message };
}

/**
 * Writes the end of an attempt, again and again while the store cannot: forgetting it would repeat the delivery.
 * @throws the store's error when it is closed, or it is time to give up
 */
async function persist(end: AttemptEnd, options: ConcludeOptions): Promise<"recorded" | "stale"> {
  const { store, clock, logger, giveUp } = options;
  for (let failures = 0; ; failures += 1) {
    try {
      return await store.endAttempt(end);
    } catch (error) {
      if (giveUp.aborted || (error instanceof StoreError && error.kind === "closed")) throw error;
      if (failures === 0) {
        logger.error("the end of an attempt cannot be written, it is tried again until it can", { error });
      }
      await clock.sleep(STORE_RETRY_MS, giveUp).catch(() => undefined);
    }
  }
}
