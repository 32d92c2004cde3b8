import { createHash } from "node:crypto";

import type { RelayEvent } from "../event/event.ts";
import type { Batch, BatchItem } from "../sinks/sink.ts";
import { int, onlyRow, text, type Row } from "./database.ts";
import type { Lease } from "./lease-deliveries.ts";
import type { Statements } from "./statements.ts";

/**
 * Reads what a lease is about.
 * @param load most events that are read; of more, the oldest and the newest
 * @param parse turns an event's JSON back into the event
 */
export function readBatch(
  statements: Statements,
  lease: Lease,
  load: number,
  parse: (body: string) => RelayEvent,
): Batch {
  const { deliveryId, total, groupKey, isOverflow } = lease;
  const first = onlyRow(statements.eventOfLease, lease.eventSeq);
  const eventId = text(first, "event_id");
  if (total === 1) {
    const time = text(first, "time");
    return {
      messageId: eventId,
      groupKey,
      isOverflow,
      total,
      items: [toItem(deliveryId, text(first, "body"), parse)],
      tallies: [{ type: text(first, "type"), severity: text(first, "severity"), count: 1 }],
      firstTime: time,
      lastTime: time,
    };
  }
  const tallies = statements.talliesOfLead.all({ lead: deliveryId });
  return {
    messageId: messageIdOf(lease.subscription, eventId),
    groupKey,
    isOverflow,
    total,
    items: readItems(statements, deliveryId, Math.min(load, total), total, parse),
    tallies: tallies.map((row) => ({
      type: text(row, "type"),
      severity: text(row, "severity"),
      count: int(row, "count"),
    })),
    firstTime: extreme(tallies, "first", -1),
    lastTime: extreme(tallies, "last", 1),
  };
}

/** A message of several events has an id of its own, so that no receiver takes it for a repeat of the first. */
function messageIdOf(subscription: string, eventId: string): string {
  return createHash("sha256").update(`tote relay group\n${subscription}\n${eventId}`).digest("hex");
}

function readItems(
  statements: Statements,
  lead: number,
  load: number,
  total: number,
  parse: (body: string) => RelayEvent,
): readonly BatchItem[] {
  if (load >= total)
    return statements.itemsOfLead.all({ lead, max: total }).map((row) => rowItem(row, parse));
  const oldest = statements.itemsOfLead.all({ lead, max: Math.max(1, load - 1) });
  const newest = load > 1 ? statements.newestOfLead.all({ lead }) : [];
  return [...oldest, ...newest].map((row) => rowItem(row, parse));
}

function rowItem(row: Row, parse: (body: string) => RelayEvent): BatchItem {
  return toItem(int(row, "id"), text(row, "body"), parse);
}

function toItem(deliveryId: number, body: string, parse: (body: string) => RelayEvent): BatchItem {
  return { deliveryId, event: parse(body), body };
}

function extreme(rows: readonly Row[], column: string, sign: 1 | -1): string {
  const times = rows.map((row) => text(row, column)).toSorted();
  return (sign === 1 ? times.at(-1) : times[0]) ?? "";
}
