import type { RelayEvent } from "../event/event.ts";
import { bytes, int } from "./database.ts";
import type { Statements } from "./statements.ts";

/** An event that was received, and where it must go. */
export interface NewEvent {
  readonly event: RelayEvent;
  /** its JSON, which is what is kept and sent */
  readonly body: string;
  /** sha256 of the body, to tell a repeat from another event of the same id */
  readonly digest: Uint8Array;
  readonly deliveries: readonly PlannedDelivery[];
}

/** One subscription that wants the event. */
export interface PlannedDelivery {
  readonly subscription: string;
  readonly groupKey: string | undefined;
  /** milliseconds, see `Group` */
  readonly intervalMs: number;
}

/** What became of an event: new, seen before, or seen before with another body. The first body wins. */
export interface AcceptedEvent {
  readonly id: string;
  readonly result: "accepted" | "duplicate" | "differing";
  /** in the order of the planned deliveries; empty unless it was accepted */
  readonly deliveryIds: readonly number[];
}

/** Writes an event and all its deliveries. Inside a transaction. */
export function acceptEvent(statements: Statements, received: NewEvent, now: number): AcceptedEvent {
  const { event, body, digest, deliveries } = received;
  const { id } = event;
  const known = statements.findEvent.get(id) ?? statements.findTombstone.get(id);
  if (known !== undefined) {
    const isSame = Buffer.compare(bytes(known, "digest"), digest) === 0;
    return { id, result: isSame ? "duplicate" : "differing", deliveryIds: [] };
  }
  const { lastInsertRowid } = statements.insertEvent.run({
    id,
    type: event.type,
    namespace: event.data.namespace ?? "",
    severity: event.data.severity ?? "",
    incident: event.data.incident ?? "",
    // one form for all, so that they compare as text
    time: new Date(event.time).toISOString(),
    now,
    digest,
    body,
  });
  const deliveryIds = deliveries.map((planned) =>
    insertDelivery(statements, planned, Number(lastInsertRowid), now),
  );
  return { id, result: "accepted", deliveryIds };
}

function insertDelivery(
  statements: Statements,
  planned: PlannedDelivery,
  eventSeq: number,
  now: number,
): number {
  const { subscription, groupKey = null } = planned;
  const due = dueAt(statements, planned, now);
  const inserted = statements.insertDelivery.run({
    event: eventSeq,
    subscription,
    group: groupKey,
    now,
    due,
  });
  return Number(inserted.lastInsertRowid);
}

/** The first of a group goes at once and opens a window; what follows waits for the window's end. */
function dueAt(statements: Statements, planned: PlannedDelivery, now: number): number {
  const { subscription, groupKey, intervalMs } = planned;
  if (groupKey === undefined || intervalMs === 0) return now;
  const window = statements.findWindow.get(subscription, groupKey);
  const endsAt = window === undefined ? 0 : int(window, "ends_at");
  // a window that ends later than it can was opened before the clock was set back
  if (endsAt > now) return Math.min(endsAt, now + intervalMs);
  statements.openWindow.run({ subscription, group: groupKey, interval: intervalMs, ends: now + intervalMs });
  return now;
}
