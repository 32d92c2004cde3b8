import type { Folding } from "../sinks/sink.ts";
import { int, onlyRow, optionalInt, optionalText, type Row } from "./database.ts";
import type { Statements } from "./statements.ts";

/** What a lane asks for. */
export interface LeaseRequest {
  readonly subscription: string;
  /** batches at most */
  readonly limit: number;
  readonly folding: Folding;
  /** milliseconds since 1970 */
  readonly now: number;
}

/**
 * The right to make one attempt at a delivery; whoever holds it may end it, as long as the fence is the same. It has no end
 * of its own: no other process can have the store, and the next one gives back whatever this one held.
 */
export interface Lease {
  readonly deliveryId: number;
  readonly eventSeq: number;
  readonly subscription: string;
  readonly groupKey: string | undefined;
  readonly fence: number;
  /** attempts before this one */
  readonly attempts: number;
  /** those of them that cost one of the schedule */
  readonly spent: number;
  readonly rejections: number;
  /** its age is counted from here; milliseconds since 1970 */
  readonly ageFrom: number;
  /** deliveries that its message stands for */
  readonly total: number;
  readonly isOverflow: boolean;
  readonly isReplay: boolean;
  readonly mayHaveArrived: boolean;
}

/** Takes what is due, oldest first, and folds what belongs together. Inside a transaction. */
export function leaseDeliveries(statements: Statements, request: LeaseRequest): readonly Lease[] {
  const { subscription, limit, folding, now } = request;
  if (folding.max <= 1) {
    const rows = statements.leaseSingles.all(subscription, now, limit);
    return rows.map((row) => readLease(row, subscription)).toSorted((a, b) => a.deliveryId - b.deliveryId);
  }
  const leases: Lease[] = [];
  const seen = new Set<number>();
  while (leases.length < limit) {
    // what an earlier round has folded is not due any more
    const found = statements.due.all(subscription, now, limit + seen.size);
    const row = found.find((candidate) => !seen.has(int(candidate, "id")));
    if (row === undefined) break;
    seen.add(int(row, "id"));
    const lead = fold(statements, row, request);
    if (lead === undefined) continue;
    const leased = statements.lease.get({ id: lead.id, overflow: lead.isOverflow ? 1 : 0 });
    if (leased === undefined) continue;
    const lease = readLease(leased, subscription);
    if (lease.groupKey !== undefined) {
      statements.reopenWindow.run({ now, subscription, group: lease.groupKey });
    }
    leases.push(lease);
  }
  return leases;
}

interface Lead {
  readonly id: number;
  readonly isOverflow: boolean;
}

/** @returns the delivery that leads the batch, undefined when its turn has not come */
function fold(statements: Statements, row: Row, request: LeaseRequest): Lead | undefined {
  const { subscription, folding, now } = request;
  const id = int(row, "id");
  const group = optionalText(row, "group_key");
  const isNew = group === undefined || statements.findSinkState.get(subscription, group) === undefined;
  if (
    isNew &&
    folding.overflowAfter !== undefined &&
    isTooMuchDue(statements, request, folding.overflowAfter)
  ) {
    const others = statements.dueOthers.all(subscription, now, id, folding.max - 1);
    foldInto(statements, id, others);
    return { id, isOverflow: true };
  }
  if (group === undefined) return { id, isOverflow: false };
  if (!folding.grows) {
    // a retry must be what the first attempt was, so only what was never sent is put together
    if (int(row, "attempts") === 0) {
      statements.foldFresh.run({ lead: id, subscription, group, now, max: folding.max - 1 });
    }
    return { id, isOverflow: false };
  }
  if (statements.isGroupUnderWay.get(subscription, group) !== undefined) return undefined;
  const oldest = optionalInt(onlyRow(statements.oldestOfGroup, subscription, group), "id") ?? id;
  const others = statements.pendingOfGroup.all(subscription, group, oldest, folding.max - 1);
  foldInto(statements, oldest, others);
  return { id: oldest, isOverflow: false };
}

function isTooMuchDue(statements: Statements, request: LeaseRequest, most: number): boolean {
  const found = onlyRow(statements.countDueGroups, request.subscription, request.now, most + 1);
  return int(found, "count") > most;
}

function foldInto(statements: Statements, lead: number, others: readonly Row[]): void {
  if (others.length === 0) return;
  const ids = JSON.stringify(others.map((other) => int(other, "id")));
  statements.adopt.run(lead, ids);
  statements.fold.run(lead, ids);
  // what was never tried is not given up for what was tried before it: the least used and the youngest count
  statements.renew.run({ lead, ids });
}

function readLease(row: Row, subscription: string): Lease {
  return {
    deliveryId: int(row, "id"),
    eventSeq: int(row, "event_seq"),
    subscription,
    groupKey: optionalText(row, "group_key"),
    fence: int(row, "fence"),
    attempts: int(row, "attempts"),
    spent: int(row, "spent"),
    rejections: int(row, "rejections"),
    ageFrom: int(row, "age_from"),
    total: int(row, "total"),
    isOverflow: int(row, "is_overflow") === 1,
    isReplay: int(row, "is_replay") === 1,
    mayHaveArrived: int(row, "may_have_arrived") === 1,
  };
}
