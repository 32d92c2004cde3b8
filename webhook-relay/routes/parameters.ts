import type { Context } from "hono";

import { InvalidValueError } from "../../lib/errors.ts";
import {
  DELIVERY_STATES,
  PAGE_DEFAULT,
  PAGE_MAX,
  type DeliveryQuery,
  type EventQuery,
  type PageRequest,
} from "../store/views.ts";

const PAGE_PARAMETERS = ["limit", "cursor"] as const;
const EVENT_PARAMETERS = ["type", "namespace", "incident", "since", "until"] as const;
/** What deliveries can be filtered by. */
export const DELIVERY_FILTERS = ["subscription", "state", "event", ...EVENT_PARAMETERS] as const;

/** Longest value of a parameter, in characters. */
const VALUE_MAX_CHARS = 512;

/**
 * Reads the parameters of a list of events.
 * @throws InvalidValueError that names the parameter
 */
export function readEventQuery(context: Context): EventQuery {
  const values = readValues(context, [...EVENT_PARAMETERS, ...PAGE_PARAMETERS]);
  return eventQuery(values);
}

/**
 * Reads the parameters of a list of deliveries.
 * @throws InvalidValueError that names the parameter
 */
export function readDeliveryQuery(context: Context): DeliveryQuery {
  return toDeliveryQuery(readValues(context, [...DELIVERY_FILTERS, ...PAGE_PARAMETERS]));
}

/**
 * A filter of deliveries from texts by name, as a query string or a JSON object has them.
 * @throws InvalidValueError that names the parameter
 */
export function toDeliveryQuery(values: Readonly<Record<string, string | undefined>>): DeliveryQuery {
  const state = DELIVERY_STATES.find((known) => known === values["state"]);
  if (values["state"] !== undefined && state === undefined) {
    throw new InvalidValueError(
      "state",
      `${JSON.stringify(values["state"])} is not allowed, must be one of ${DELIVERY_STATES.join(", ")}`,
    );
  }
  return { ...eventQuery(values), subscription: values["subscription"], state, eventId: values["event"] };
}

/**
 * Reads which page is wanted.
 * @throws InvalidValueError that names the parameter
 */
export function readPage(context: Context): PageRequest {
  const limit = context.req.query("limit");
  const cursor = context.req.query("cursor");
  if (limit !== undefined && !/^[1-9]\d{0,3}$/.test(limit)) {
    throw new InvalidValueError(
      "limit",
      `${JSON.stringify(limit)} is not allowed, must be from 1 to ${PAGE_MAX}`,
    );
  }
  return { limit: limit === undefined ? PAGE_DEFAULT : Number(limit), cursor };
}

/**
 * Reads the parameters of a list that has no filter.
 * @throws InvalidValueError that names the parameter
 */
export function readPageOnly(context: Context): PageRequest {
  readValues(context, PAGE_PARAMETERS);
  return readPage(context);
}

/**
 * Reads the number of a delivery or a replay in a path.
 * @returns undefined for what cannot be one
 */
export function readId(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

function readValues(
  context: Context,
  known: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const values = context.req.query();
  for (const [name, value] of Object.entries(values)) {
    if (!known.includes(name)) {
      throw new InvalidValueError(name, `unknown parameter, known are ${known.join(", ")}`);
    }
    if (value.length > VALUE_MAX_CHARS) {
      throw new InvalidValueError(
        name,
        `has ${value.length} characters, at most ${VALUE_MAX_CHARS} are allowed`,
      );
    }
  }
  return values;
}

function eventQuery(values: Readonly<Record<string, string | undefined>>): EventQuery {
  return {
    type: values["type"],
    namespace: values["namespace"],
    incident: values["incident"],
    since: readTime("since", values["since"]),
    until: readTime("until", values["until"]),
  };
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/i.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new InvalidValueError(
    name,
    `${JSON.stringify(text)} is not allowed, must be a time such as "2026-01-31T12:00:00Z"`,
  );
}
