import { PAGE_DEFAULT, PAGE_MAX } from "../store/views.ts";
import { body, inPath, inQuery, operation, plain } from "./operation.ts";
import { ref, type Json } from "./schemas.ts";

const TEXT = { type: "string" } as const;
const ID = inPath("id", { type: "integer", minimum: 1 }, "Its number.");
const NAME = inPath("name", TEXT, "Name of the subscription.");
const READ = ["read", "admin"] as const;
const ADMIN = ["admin"] as const;

const PAGE: readonly Json[] = [
  inQuery(
    "limit",
    { type: "integer", minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT },
    "Items of a page.",
  ),
  inQuery("cursor", TEXT, "`next` of the page before."),
];
const EVENT_FILTER: readonly Json[] = [
  inQuery("type", TEXT, "Type of the event; `*` stands for anything."),
  inQuery("namespace", TEXT, "`data.namespace`; `*` stands for anything."),
  inQuery("incident", TEXT, "`data.incident`."),
  inQuery("since", TEXT, "Accepted at or after; RFC 3339, or a day."),
  inQuery("until", TEXT, "Accepted before."),
];
const DELIVERY_FILTER: readonly Json[] = [
  inQuery("subscription", TEXT, "Name of the subscription."),
  inQuery("state", ref("DeliveryState"), "How far it is."),
  inQuery("event", TEXT, "Id of the event."),
  ...EVENT_FILTER,
];

/** Every path of the API for programs. */
export const apiPaths: Json = {
  "/healthz": {
    get: operation({ id: "healthz", summary: "It runs", roles: [], answers: { 200: plain("ok") } }),
  },
  "/readyz": {
    get: operation({
      id: "readyz",
      summary: "It takes events",
      roles: [],
      answers: { 200: plain("ok"), 503: plain("Why not") },
    }),
  },
  "/.well-known/webhook-keys.json": {
    get: operation({
      id: "keys",
      summary: "Public keys of signatures (v1a)",
      roles: [],
      answers: { 200: "Keys" },
    }),
  },
  "/openapi.json": {
    get: operation({
      id: "openapi",
      summary: "This document",
      roles: ["ingest", "read", "admin"],
      answers: { 200: "Document" },
    }),
  },
  "/v1/events": {
    post: operation({
      id: "postEvents",
      summary: "Post an event, or a list of up to 100; answered once they are on disk",
      roles: ["ingest"],
      takes: body({
        oneOf: [ref("Event"), { type: "array", items: ref("Event"), minItems: 1, maxItems: 100 }],
      }),
      answers: { 200: acceptance("All of it was there before"), 202: acceptance("On disk") },
      errors: [400, 413, 503],
    }),
    get: operation({
      id: "listEvents",
      summary: "Events, newest first",
      roles: READ,
      parameters: [...EVENT_FILTER, ...PAGE],
      answers: { 200: "Events" },
      errors: [400],
    }),
  },
  "/v1/events/{id}": {
    get: operation({
      id: "getEvent",
      summary: "An event with its deliveries",
      roles: READ,
      parameters: [inPath("id", TEXT, "Id of the event.")],
      answers: { 200: "StoredEventWithDeliveries" },
      errors: [404],
    }),
  },
  "/v1/deliveries": {
    get: operation({
      id: "listDeliveries",
      summary: "Deliveries, newest first",
      roles: READ,
      parameters: [...DELIVERY_FILTER, ...PAGE],
      answers: { 200: "Deliveries" },
      errors: [400],
    }),
  },
  "/v1/deliveries/{id}": {
    get: operation({
      id: "getDelivery",
      summary: "A delivery with every attempt",
      roles: READ,
      parameters: [ID],
      answers: { 200: "DeliveryWithAttempts" },
      errors: [404],
    }),
  },
  "/v1/deliveries/{id}/redeliver": {
    post: operation({
      id: "redeliver",
      summary: "Send it again now, with all its attempts before it and the same webhook-id",
      roles: ADMIN,
      parameters: [ID],
      answers: { 202: "Delivery" },
      errors: [404, 409, 503],
    }),
  },
  "/v1/replays": {
    post: operation({
      id: "createReplay",
      summary: "Send again what has ended, by filter and time window; goes on after a restart",
      roles: ADMIN,
      takes: body(ref("ReplayRequest")),
      answers: { 202: "Replay" },
      errors: [400, 413, 503],
    }),
    get: operation({
      id: "listReplays",
      summary: "Replays, newest first",
      roles: READ,
      parameters: PAGE,
      answers: { 200: "Replays" },
      errors: [400],
    }),
  },
  "/v1/replays/{id}": {
    get: operation({
      id: "getReplay",
      summary: "How far a replay is",
      roles: READ,
      parameters: [ID],
      answers: { 200: "Replay" },
      errors: [404],
    }),
  },
  "/v1/replays/{id}/cancel": {
    post: operation({
      id: "cancelReplay",
      summary: "Stop a replay; what it has asked for goes out",
      roles: ADMIN,
      parameters: [ID],
      answers: { 200: "Replay" },
      errors: [404, 409, 503],
    }),
  },
  "/v1/subscriptions": {
    get: operation({
      id: "listSubscriptions",
      summary: "Subscriptions, without secrets, and how they fare",
      roles: READ,
      answers: { 200: "Subscriptions" },
    }),
  },
  "/v1/subscriptions/{name}": {
    get: operation({
      id: "getSubscription",
      summary: "A subscription and how it fares",
      roles: READ,
      parameters: [NAME],
      answers: { 200: "Subscription" },
      errors: [404],
    }),
  },
  "/v1/subscriptions/{name}/test": {
    post: operation({
      id: "testSubscription",
      summary: "Send an event of type tote.relay.test to this subscription alone",
      roles: ADMIN,
      parameters: [NAME],
      answers: { 202: "TestSent" },
      errors: [404, 503],
    }),
  },
  "/v1/subscriptions/{name}/enable": {
    post: operation({
      id: "enableSubscription",
      summary: "Switch it on; what waited goes out",
      roles: ADMIN,
      parameters: [NAME],
      takes: body(ref("Reason"), false),
      answers: { 200: "Subscription" },
      errors: [400, 404, 413, 503],
    }),
  },
  "/v1/subscriptions/{name}/disable": {
    post: operation({
      id: "disableSubscription",
      summary: "Switch it off; what comes meanwhile waits",
      roles: ADMIN,
      parameters: [NAME],
      takes: body(ref("Reason"), false),
      answers: { 200: "Subscription" },
      errors: [400, 404, 413, 503],
    }),
  },
  "/v1/subscriptions:match": {
    post: operation({
      id: "matchSubscriptions",
      summary: "Which subscriptions would get this event, and why the others not; nothing is sent",
      roles: READ,
      takes: body(ref("Event")),
      answers: { 200: "Matches" },
      errors: [400, 413],
    }),
  },
};

function acceptance(description: string): Json {
  const schema = { oneOf: [ref("Accepted"), ref("AcceptedBatch")] };
  return { description, content: { "application/json": { schema } } };
}
