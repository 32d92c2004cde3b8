import { formatDuration } from "../../lib/units.ts";
import { REJECTED_MAX_ATTEMPTS, RETRY_JITTER } from "../limits.ts";
import type { Outcome } from "../sinks/sink.ts";
import type { Lease } from "../store/lease-deliveries.ts";
import type { RetryPolicy } from "../subscriptions/subscription.ts";

/** What becomes of a delivery after an attempt. */
export interface Decision {
  readonly state: "pending" | "delivered" | "dead";
  /** when it is tried again, milliseconds since 1970; counts for "pending" only */
  readonly dueAt: number;
  readonly spent: number;
  readonly rejections: number;
  /** "" when it is delivered */
  readonly reason: string;
  readonly message: string;
}

/** What a decision rests on besides the outcome. */
export interface DecisionContext {
  readonly lease: Pick<Lease, "attempts" | "spent" | "rejections" | "ageFrom">;
  readonly policy: RetryPolicy;
  /** it was made before its time, to see whether the receiver is back */
  readonly isEarly: boolean;
  /** milliseconds since 1970 */
  readonly now: number;
  /** 0 included to 1 excluded */
  readonly random: () => number;
}

/** Decides whether and when a delivery is tried again. The one place that knows. Pure. */
export function decide(outcome: Outcome, context: DecisionContext): Decision {
  const { lease, now } = context;
  const { spent, rejections } = lease;
  switch (outcome.kind) {
    case "delivered":
      return { state: "delivered", dueAt: now, spent, rejections, reason: "", message: "" };
    case "disable":
      if (outcome.keeps === true) return waitForPerson(outcome, context);
      return { ...deadAt(now, outcome), spent: spent + 1, rejections };
    case "dead":
      return { ...deadAt(now, outcome), spent: spent + 1, rejections };
    case "rejected":
      return decideRejected(outcome, context);
    case "retry":
      return decideRetry(outcome, context);
  }
}

/** The subscription is off: it is due at once when somebody switches it on. */
function waitForPerson({ reason, message }: Failed, { lease, now }: DecisionContext): Decision {
  const { spent, rejections } = lease;
  return { state: "pending", dueAt: now, spent, rejections, reason, message };
}

type Failed = Exclude<Outcome, { readonly kind: "delivered" }>;

function decideRejected(
  outcome: Failed & { readonly retryAfterMs?: number },
  context: DecisionContext,
): Decision {
  const { lease, now } = context;
  const spent = lease.spent + 1;
  const rejections = lease.rejections + 1;
  if (rejections >= REJECTED_MAX_ATTEMPTS) {
    const message = `refused ${rejections} times: ${outcome.message}`;
    return { ...deadAt(now, { ...outcome, message }), spent, rejections };
  }
  return later(outcome, context, spent, rejections);
}

function decideRetry(outcome: Extract<Outcome, { kind: "retry" }>, context: DecisionContext): Decision {
  const { lease, now, isEarly } = context;
  // a receiver that is still down was asked for the sake of all that waits
  const isFree = !outcome.costsAttempt || (isEarly && outcome.trips);
  const spent = lease.spent + (isFree ? 0 : 1);
  return spent > lease.spent && spent >= context.policy.scheduleMs.length
    ? {
        ...deadAt(now, { ...outcome, message: `given up after ${spent} attempts: ${outcome.message}` }),
        spent,
        rejections: lease.rejections,
      }
    : later(outcome, context, spent, lease.rejections);
}

function later(
  outcome: Failed & { readonly retryAfterMs?: number },
  context: DecisionContext,
  spent: number,
  rejections: number,
): Decision {
  const { lease, policy, now, random } = context;
  // what costs nothing still waits longer each time
  const step = spent > lease.spent ? spent : lease.attempts + 1;
  const asked = outcome.retryAfterMs ?? 0;
  const planned = pauseBefore(policy.scheduleMs, step, random);
  const end = lease.ageFrom + policy.maxAgeMs;
  const { reason, message } = outcome;
  // one last attempt at the very end; what the receiver asks for is kept in any case
  const dueAt = Math.max(now + asked, Math.min(now + planned, end));
  if (now >= end || dueAt > end) {
    const told = `older than ${formatDuration(policy.maxAgeMs)}, at last: ${message}`;
    return { ...deadAt(now, { reason, message: told }), spent, rejections };
  }
  return { state: "pending", dueAt, spent, rejections, reason, message };
}

/**
 * The pause before an attempt, with jitter, so that what failed together does not come back together.
 * @param step attempts before it
 */
export function pauseBefore(scheduleMs: readonly number[], step: number, random: () => number): number {
  const pause = scheduleMs[Math.min(step, scheduleMs.length - 1)] ?? 0;
  return Math.round(pause * (1 + RETRY_JITTER * (2 * random() - 1)));
}

function deadAt(
  now: number,
  { reason, message }: { readonly reason: string; readonly message: string },
): Pick<Decision, "state" | "dueAt" | "reason" | "message"> {
  return { state: "dead", dueAt: now, reason, message };
}
