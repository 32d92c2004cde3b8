import type { DeliveryQuery, EventQuery } from "./views.ts";

/** Conditions that a caller's filter adds to a statement. Values are bound, never part of the text. */
export interface Filter {
  /** "" or "AND ... AND ..." */
  readonly and: string;
  readonly values: Readonly<Record<string, string | number>>;
}

/** Conditions on `events AS e`. */
export function eventFilter(query: EventQuery): Filter {
  return filterOf(eventConditions(query));
}

/** Conditions on `events AS e` and `deliveries AS d`. */
export function deliveryFilter(query: DeliveryQuery): Filter {
  return filterOf([
    ...eventConditions(query),
    condition("d.subscription = :subscription", "subscription", query.subscription),
    condition(
      // the index of what is not delivered is used only when the statement names its condition
      query.state === "delivered" ? "d.state = :state" : "d.state = :state AND d.state <> 'delivered'",
      "state",
      query.state,
    ),
    condition("e.id = :eventId", "eventId", query.eventId),
  ]);
}

type Condition = readonly [sql: string, name: string, value: string | number] | undefined;

function eventConditions(query: EventQuery): readonly Condition[] {
  return [
    textCondition("e.type", "type", query.type),
    textCondition("e.namespace", "namespace", query.namespace),
    condition("e.incident = :incident", "incident", query.incident),
    condition("e.accepted_at >= :since", "since", query.since),
    condition("e.accepted_at < :until", "until", query.until),
  ];
}

function condition(sql: string, name: string, value: string | number | undefined): Condition {
  return value === undefined ? undefined : [sql, name, value];
}

/** A text with `*` in it is a glob. */
function textCondition(column: string, name: string, value: string | undefined): Condition {
  if (value === undefined || !value.includes("*")) return condition(`${column} = :${name}`, name, value);
  return condition(
    `${column} GLOB :${name}`,
    name,
    value.replaceAll(/[?[]/g, (special) => `[${special}]`),
  );
}

function filterOf(conditions: readonly Condition[]): Filter {
  const given = conditions.filter((one) => one !== undefined);
  return {
    and: given.map(([sql]) => `AND ${sql}`).join(" "),
    values: Object.fromEntries(given.map(([, name, value]) => [name, value])),
  };
}
