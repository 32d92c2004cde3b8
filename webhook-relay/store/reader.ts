import type { DatabaseSync, StatementSync } from "node:sqlite";

import { int, optionalInt, optionalText, text, type Row } from "./database.ts";
import { deliveryFilter, eventFilter } from "./filters.ts";
import { pageOf } from "./pages.ts";
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

const DELIVERY = `SELECT d.*, e.id AS event_id, e.type, e.namespace, e.incident
  FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq`;

/** Reads events, deliveries and incidents as people see them: what is committed, never half a change. */
export class StoreReader {
  readonly #database: DatabaseSync;
  readonly #statesOfEvent: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statesOfEvent = database.prepare(
      "SELECT state, count(*) AS count FROM deliveries WHERE event_seq = ? GROUP BY state",
    );
  }

  events(query: EventQuery, page: PageRequest): Page<EventView> {
    const { and, values } = eventFilter(query);
    const statement = this.#database.prepare(
      `SELECT e.* FROM events AS e WHERE e.seq < :before ${and} ORDER BY e.seq DESC LIMIT :limit`,
    );
    return pageOf(
      page,
      (before, limit) => statement.all({ ...values, before, limit }),
      (row) => this.#event(row),
      (_, row) => int(row, "seq"),
    );
  }

  event(id: string): EventView | undefined {
    const row = this.#database.prepare("SELECT * FROM events WHERE id = ?").get(id);
    return row === undefined ? undefined : this.#event(row);
  }

  deliveries(query: DeliveryQuery, page: PageRequest): Page<DeliveryView> {
    const { and, values } = deliveryFilter(query);
    const statement = this.#database.prepare(
      `${DELIVERY} WHERE d.id < :before ${and} ORDER BY d.id DESC LIMIT :limit`,
    );
    return pageOf(
      page,
      (before, limit) => statement.all({ ...values, before, limit }),
      toDelivery,
      ({ id }) => id,
    );
  }

  delivery(id: number): DeliveryView | undefined {
    const row = this.#database.prepare(`${DELIVERY} WHERE d.id = ?`).get(id);
    return row === undefined ? undefined : toDelivery(row);
  }

  /** Every attempt at a delivery, oldest first; for one that is part of another's message, those at the message. */
  attempts(deliveryId: number): readonly AttemptView[] {
    const statement = this.#database.prepare(
      `SELECT * FROM attempts WHERE delivery_id = (SELECT coalesce(lead_id, id) FROM deliveries WHERE id = ?)
        ORDER BY number`,
    );
    return statement.all(deliveryId).map(toAttempt);
  }

  incidents(page: PageRequest): Page<IncidentView> {
    // one page may look at many events of few incidents, so it follows the index of incidents for each
    const statement = this.#database.prepare(
      `SELECT e.seq, e.incident, e.namespace, e.accepted_at, e.body,
          (SELECT count(*) FROM events AS o WHERE o.incident = e.incident) AS count,
          (SELECT min(accepted_at) FROM events AS o WHERE o.incident = e.incident) AS first
        FROM events AS e
        WHERE e.seq < :before AND e.incident <> ''
          AND NOT EXISTS (SELECT 1 FROM events AS o WHERE o.incident = e.incident AND o.seq > e.seq)
        ORDER BY e.seq DESC LIMIT :limit`,
    );
    return pageOf(
      page,
      (before, limit) => statement.all({ before, limit }),
      toIncident,
      (_, row) => int(row, "seq"),
    );
  }

  #event(row: Row): EventView {
    const states = this.#statesOfEvent.all(int(row, "seq"));
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
