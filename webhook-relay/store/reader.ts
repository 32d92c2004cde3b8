import type { DatabaseSync } from "node:sqlite";

import { int, optionalInt, optionalText, text, type Row } from "./database.ts";
import { deliveryFilter, eventFilter } from "./filters.ts";
import { pageOf } from "./pages.ts";
import { filtered, type Statements } from "./statements.ts";
import {
  DELIVERY_STATES,
  type AttemptView,
  type DeliveryQuery,
  type DeliveryState,
  type DeliveryView,
  type EventQuery,
  type EventView,
  type IncidentView,
  type Page,
  type PageRequest,
} from "./views.ts";

/** Reads events, deliveries and incidents as people see them: what is committed, never half a change. */
export class StoreReader {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  constructor(database: DatabaseSync, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
  }

  events(query: EventQuery, page: PageRequest): Page<EventView> {
    const { and, values } = eventFilter(query);
    const statement = this.#database.prepare(filtered.events(and));
    return pageOf(
      page,
      (before, limit) => statement.all({ ...values, before, limit }),
      (row) => this.#event(row),
      (_, row) => int(row, "seq"),
    );
  }

  event(id: string): EventView | undefined {
    const row = this.#statements.showEvent.get(id);
    return row === undefined ? undefined : this.#event(row);
  }

  deliveries(query: DeliveryQuery, page: PageRequest): Page<DeliveryView> {
    const { and, values } = deliveryFilter(query);
    const statement = this.#database.prepare(filtered.deliveries(and));
    return pageOf(
      page,
      (before, limit) => statement.all({ ...values, before, limit }),
      toDelivery,
      ({ id }) => id,
    );
  }

  delivery(id: number): DeliveryView | undefined {
    const row = this.#statements.showDelivery.get(id);
    return row === undefined ? undefined : toDelivery(row);
  }

  /** Every attempt at a delivery, oldest first; for one that is part of another's message, those at the message. */
  attempts(deliveryId: number): readonly AttemptView[] {
    return this.#statements.attemptsOf.all(deliveryId).map(toAttempt);
  }

  incidents(page: PageRequest): Page<IncidentView> {
    return pageOf(
      page,
      (before, limit) => this.#statements.incidents.all({ before, limit }),
      toIncident,
      (_, row) => int(row, "seq"),
    );
  }

  #event(row: Row): EventView {
    const states = this.#statements.statesOfEvent.all(int(row, "seq"));
    return {
      id: text(row, "id"),
      type: text(row, "type"),
      namespace: text(row, "namespace"),
      incident: text(row, "incident"),
      acceptedAt: int(row, "accepted_at"),
      body: text(row, "body"),
      deliveries: Object.fromEntries(states.map((state) => [text(state, "state"), int(state, "count")])),
    };
  }
}

function toDelivery(row: Row): DeliveryView {
  const state = text(row, "state");
  return {
    id: int(row, "id"),
    eventId: text(row, "event_id"),
    eventType: text(row, "type"),
    namespace: text(row, "namespace"),
    incident: text(row, "incident"),
    subscription: text(row, "subscription"),
    state: isState(state) ? state : "pending",
    createdAt: int(row, "created_at"),
    dueAt: state === "pending" ? int(row, "due_at") : undefined,
    endedAt: optionalInt(row, "ended_at"),
    attempts: int(row, "attempts"),
    reason: text(row, "reason"),
    message: text(row, "message"),
    isReplay: int(row, "is_replay") === 1,
    leadId: optionalInt(row, "lead_id"),
    total: int(row, "total"),
  };
}

function isState(value: string): value is DeliveryState {
  return (DELIVERY_STATES as readonly string[]).includes(value);
}

function toAttempt(row: Row): AttemptView {
  return {
    number: int(row, "number"),
    startedAt: int(row, "started_at"),
    durationMs: int(row, "duration_ms"),
    outcome: text(row, "outcome"),
    reason: text(row, "reason"),
    message: text(row, "message"),
    status: optionalInt(row, "status"),
    excerpt: optionalText(row, "excerpt") ?? "",
    retryAfterMs: optionalInt(row, "retry_after_ms"),
  };
}

function toIncident(row: Row): IncidentView {
  return {
    incident: text(row, "incident"),
    namespace: text(row, "namespace"),
    events: int(row, "count"),
    firstAt: int(row, "first"),
    lastAt: int(row, "accepted_at"),
    body: text(row, "body"),
  };
}
