import type { SinkStateWrite } from "../sinks/sink.ts";
import { int } from "./database.ts";
import type { Lease } from "./lease-deliveries.ts";
import type { Statements } from "./statements.ts";
import type { SubscriptionHealth } from "./views.ts";

/** What an attempt leaves behind. Texts are redacted. */
export interface AttemptEnd {
  readonly lease: Pick<Lease, "deliveryId" | "fence" | "subscription">;
  readonly now: number;
  /** what becomes of the delivery, and of all that its message stands for */
  readonly state: "pending" | "delivered" | "dead";
  /** when it is tried again; counts for "pending" only */
  readonly dueAt: number;
  readonly spent: number;
  readonly rejections: number;
  readonly mayHaveArrived: boolean;
  /** why the delivery is not delivered, "" when it is */
  readonly reason: string;
  readonly message: string;
  readonly attempt: {
    readonly startedAt: number;
    readonly durationMs: number;
    readonly outcome: string;
    readonly status: number | undefined;
    readonly excerpt: string;
    readonly retryAfterMs: number | undefined;
  };
  readonly sinkState: readonly SinkStateWrite[];
  /** undefined: as it was */
  readonly health: SubscriptionHealth | undefined;
}

/**
 * Writes the end of an attempt, with all that the sink and the lane remember of it. Inside a transaction.
 * @returns "stale" when somebody else has got the delivery meanwhile: then nothing is written
 */
export function endAttempt(statements: Statements, end: AttemptEnd): "recorded" | "stale" {
  const { lease, now, state, attempt, reason, message } = end;
  const ended = state === "pending" ? null : now;
  const row = statements.endLease.get({
    id: lease.deliveryId,
    fence: lease.fence,
    state,
    due: end.dueAt,
    ended,
    spent: end.spent,
    rejections: end.rejections,
    arrived: end.mayHaveArrived ? 1 : 0,
    reason,
    message,
  });
  if (row === undefined) return "stale";
  statements.insertAttempt.run({
    id: lease.deliveryId,
    number: int(row, "attempts"),
    started: attempt.startedAt,
    duration: attempt.durationMs,
    outcome: attempt.outcome,
    reason,
    message,
    status: attempt.status ?? null,
    excerpt: attempt.excerpt,
    retryAfter: attempt.retryAfterMs ?? null,
  });
  if (state !== "pending" && int(row, "total") > 1) {
    statements.endMembers.run({ lead: lease.deliveryId, state, ended, reason, message });
  }
  for (const { key, value } of end.sinkState) {
    if (value === undefined) statements.deleteSinkState.run(lease.subscription, key);
    else statements.saveSinkState.run(lease.subscription, key, value, now);
  }
  if (end.health !== undefined) statements.saveHealth.run(lease.subscription, JSON.stringify(end.health));
  return "recorded";
}

/**
 * Gives back what was under way when the relay was killed: each may have arrived or not, so each is sent again, at once.
 * Inside a transaction, before the first lease.
 * @returns how many
 */
export function giveBackInterrupted(statements: Statements, now: number): number {
  const rows = statements.underWay.all();
  for (const row of rows) {
    const id = int(row, "id");
    statements.giveBack.run({ id, now, message: INTERRUPTED });
    statements.insertAttempt.run({
      id,
      number: int(row, "attempts") + 1,
      started: now,
      duration: 0,
      outcome: "interrupted",
      reason: "interrupted",
      message: INTERRUPTED,
      status: null,
      excerpt: "",
      retryAfter: null,
    });
  }
  return rows.length;
}

const INTERRUPTED = "the relay ended during the attempt, whether it arrived is not known";
