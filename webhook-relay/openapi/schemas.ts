import { BREAKER_STATES, DELIVERY_STATES } from "../store/views.ts";
import { FORMATS, SUBSCRIPTION_TYPES } from "../subscriptions/subscription.ts";
import { SUBSCRIPTION_STATES } from "../routes/subscription-json.ts";

/** A JSON Schema (2020-12) or another part of an OpenAPI document. */
export type Json = Readonly<Record<string, unknown>>;

const TEXT = { type: "string" } as const;
const COUNT = { type: "integer", minimum: 0 } as const;
const NUMBER_OF = { type: "integer", minimum: 1 } as const;
const FLAG = { type: "boolean" } as const;
const TIME = { type: "string", format: "date-time" } as const;
const TIME_OR_NONE = { type: ["string", "null"], format: "date-time" } as const;
const TEXT_OR_NONE = { type: ["string", "null"] } as const;
const NEXT = { ...TEXT_OR_NONE, description: "The `cursor` of the next page; null on the last." } as const;

/** A reference to a schema of {@link schemas}. */
export function ref(name: keyof typeof schemas): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object that has exactly these fields. */
function exactly(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}

function listOf(name: string): Json {
  return { type: "array", items: { $ref: `#/components/schemas/${name}` } };
}

const delivery: Json = {
  id: NUMBER_OF,
  subscription: TEXT,
  state: { $ref: "#/components/schemas/DeliveryState" },
  event: exactly({ id: TEXT, type: TEXT, namespace: TEXT, incident: TEXT }),
  createdAt: TIME,
  dueAt: { ...TIME_OR_NONE, description: "When it is tried next; null unless pending." },
  endedAt: TIME_OR_NONE,
  attemptCount: COUNT,
  reason: { ...TEXT, description: 'Why the last attempt failed, in one word; "" when nothing has.' },
  message: TEXT,
  replay: { ...FLAG, description: "Somebody asked for it again." },
  leadId: { type: ["integer", "null"], description: "The delivery whose message stands for this one, too." },
  total: { ...COUNT, description: "How many deliveries its message stands for." },
};

const event: Json = {
  event: { $ref: "#/components/schemas/Event" },
  acceptedAt: TIME,
  deliveries: {
    description: "How many of its deliveries are in each state.",
    type: "object",
    propertyNames: { enum: DELIVERY_STATES },
    additionalProperties: COUNT,
  },
};

/** Every schema of the API, by name. */
export const schemas = {
  Error: {
    type: "object",
    properties: {
      error: TEXT,
      details: {
        type: "array",
        items: exactly({ path: { ...TEXT, description: "Field or parameter." }, message: TEXT }),
      },
    },
    required: ["error"],
    additionalProperties: false,
  },
  Event: {
    description: "docs/events.schema.json says what tote's own look like. Further fields pass through.",
    type: "object",
    properties: {
      id: { type: "string", pattern: "^[A-Za-z0-9_-]{1,128}$" },
      type: { type: "string", pattern: "^[a-z0-9_]+(\\.[a-z0-9_]+)+$", maxLength: 128 },
      source: { type: "string", minLength: 1, maxLength: 512 },
      time: TIME,
      subject: { type: "string", maxLength: 1024 },
      data: { type: "object" },
    },
    required: ["id", "type", "source", "time", "subject", "data"],
  },
  Accepted: exactly({ id: TEXT, duplicate: FLAG }),
  AcceptedBatch: exactly({ events: listOf("Accepted") }),
  DeliveryState: { enum: DELIVERY_STATES },
  StoredEvent: exactly(event),
  StoredEventWithDeliveries: exactly({ ...event, deliveryList: listOf("Delivery") }),
  Events: exactly({ events: listOf("StoredEvent"), next: NEXT }),
  Delivery: exactly(delivery),
  DeliveryWithAttempts: exactly({ ...delivery, attempts: listOf("Attempt") }),
  Deliveries: exactly({ deliveries: listOf("Delivery"), next: NEXT }),
  Attempt: exactly({
    number: NUMBER_OF,
    startedAt: TIME,
    durationMs: COUNT,
    outcome: { enum: ["delivered", "retry", "rejected", "dead", "disable", "interrupted"] },
    reason: TEXT,
    message: TEXT,
    status: { type: ["integer", "null"], description: "HTTP status, when there was one." },
    excerpt: { ...TEXT, description: "Beginning of the answer, without secrets." },
    retryAfterMs: { type: ["integer", "null"] },
  }),
  Subscription: exactly({
    name: TEXT,
    type: { enum: SUBSCRIPTION_TYPES },
    format: { enum: [...FORMATS, null] },
    channel: TEXT_OR_NONE,
    target: { ...TEXT, description: "Scheme, host and port; the rest of an address is a secret." },
    filter: exactly({
      events: { type: "array", items: TEXT },
      namespaces: { type: "array", items: TEXT },
      minSeverity: TEXT_OR_NONE,
      severities: { type: "array", items: TEXT },
    }),
    timeoutMs: COUNT,
    retry: exactly({ scheduleMs: { type: "array", items: COUNT }, maxAgeMs: COUNT }),
    rateLimit: {
      anyOf: [{ type: "null" }, exactly({ perSecond: { type: "number" }, burst: { type: "number" } })],
    },
    group: {
      anyOf: [
        { type: "null" },
        exactly({ intervalMs: COUNT, events: { type: "array", items: TEXT }, samples: COUNT }),
      ],
    },
    state: { enum: SUBSCRIPTION_STATES },
    health: exactly({
      breaker: { enum: BREAKER_STATES },
      failures: { ...COUNT, description: "In a row." },
      failingSince: TIME_OR_NONE,
      pausedUntil: TIME_OR_NONE,
      lastSuccessAt: TIME_OR_NONE,
      lastFailureAt: TIME_OR_NONE,
      lastFailure: TEXT,
      disabledBy: { enum: ["operator", "receiver", "relay", null] },
      disabledAt: TIME_OR_NONE,
      disabledReason: TEXT,
    }),
    queue: exactly({
      pending: COUNT,
      delivering: COUNT,
      folded: COUNT,
      dead: COUNT,
      oldestPendingAt: TIME_OR_NONE,
      lagMs: COUNT,
    }),
  }),
  Subscriptions: exactly({ subscriptions: listOf("Subscription") }),
  TestSent: exactly({ eventId: TEXT, deliveryId: NUMBER_OF }),
  Matches: exactly({
    subscriptions: {
      type: "array",
      items: exactly({
        subscription: TEXT,
        matches: FLAG,
        because: { ...TEXT, description: 'The part of the filter that does not match; "" when all does.' },
        disabled: { ...FLAG, description: "It is off: what matches waits." },
      }),
    },
  }),
  Reason: {
    type: "object",
    properties: { reason: { type: "string", maxLength: 512 } },
    additionalProperties: false,
  },
  ReplayRequest: {
    description: "At least one field besides `ratePerSecond`.",
    type: "object",
    properties: {
      subscription: TEXT,
      state: { enum: ["delivered", "dead"], description: "Default: both." },
      event: { ...TEXT, description: "Id of an event." },
      type: TEXT,
      namespace: TEXT,
      incident: TEXT,
      since: { ...TEXT, description: "Events accepted at or after; RFC 3339, or a day." },
      until: { ...TEXT, description: "Events accepted before." },
      ratePerSecond: { type: "number", exclusiveMinimum: 0, maximum: 500, default: 10 },
    },
    additionalProperties: false,
  },
  Replay: exactly({
    id: NUMBER_OF,
    state: { enum: ["running", "done", "cancelled"] },
    filter: exactly({
      subscription: TEXT_OR_NONE,
      state: { enum: ["delivered", "dead", null] },
      event: TEXT_OR_NONE,
      type: TEXT_OR_NONE,
      namespace: TEXT_OR_NONE,
      incident: TEXT_OR_NONE,
      since: TIME_OR_NONE,
      until: TIME_OR_NONE,
    }),
    ratePerSecond: { type: "number" },
    replayed: { ...COUNT, description: "Deliveries that were asked for again so far." },
    createdAt: TIME,
    endedAt: TIME_OR_NONE,
  }),
  Replays: exactly({ replays: listOf("Replay"), next: NEXT }),
  Keys: exactly({
    keys: {
      type: "array",
      items: exactly({
        kty: { const: "OKP" },
        crv: { const: "Ed25519" },
        use: { const: "sig" },
        kid: TEXT,
        x: TEXT,
        whpk: TEXT,
      }),
    },
  }),
  Document: {
    type: "object",
    properties: { openapi: { const: "3.1.0" }, paths: { type: "object" } },
    required: ["openapi", "paths"],
  },
} as const satisfies Readonly<Record<string, Json>>;
