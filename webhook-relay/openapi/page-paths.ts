import { inPath, inQuery, plain } from "./operation.ts";
import type { Json } from "./schemas.ts";

const TEXT = { type: "string" } as const;
const HTML = plain("A page", "text/html");
const ELSEWHERE: Json = { description: "Go on to Location: /login for who has not logged in" };
const SESSION = [{ session: [] }] as const;

/** Every path of the page for people; {@link apiPaths} does the same for programs. */
export const pagePaths: Json = {
  "/": view("pageNow", "What is going on"),
  "/incidents": view("pageIncidents", "Incidents", [inQuery("cursor", TEXT, "Of the next page.")]),
  "/incidents/{id}": view("pageIncident", "Timeline of an incident", [
    inPath("id", TEXT, "`data.incident`."),
  ]),
  "/deliveries": view("pageDeliveries", "Deliveries", [
    inQuery("subscription", TEXT, "Name of the subscription."),
    inQuery("state", TEXT, "How far it is."),
    inQuery("incident", TEXT, "`data.incident`."),
    inQuery("cursor", TEXT, "Of the next page."),
  ]),
  "/deliveries/{id}": view("pageDelivery", "A delivery with its attempts", [
    inPath("id", TEXT, "Its number."),
  ]),
  "/subscriptions/{name}": view("pageSubscription", "A subscription", [inPath("name", TEXT, "Its name.")]),
  "/icon.svg": {
    get: {
      operationId: "pageIcon",
      summary: "Icon of the page",
      tags: ["page"],
      security: [],
      responses: { 200: plain("The icon", "image/svg+xml") },
    },
  },
  "/login": {
    get: {
      operationId: "pageLogin",
      summary: "Form to log in with",
      tags: ["page"],
      parameters: [inQuery("next", TEXT, "Where to go afterwards.")],
      security: [],
      responses: { 200: HTML, 303: ELSEWHERE },
    },
    post: {
      operationId: "pageLogIn",
      summary: "Log in with the read or the admin token",
      tags: ["page"],
      requestBody: form("token", "next"),
      security: [],
      responses: { 303: ELSEWHERE, 401: HTML, 403: plain("Sent by another site"), 429: HTML },
    },
  },
  "/logout": {
    post: {
      operationId: "pageLogOut",
      summary: "Log out",
      tags: ["page"],
      requestBody: form("csrf"),
      security: SESSION,
      responses: { 303: ELSEWHERE, 403: plain("Sent by another site") },
    },
  },
  "/actions/{action}": {
    post: {
      operationId: "pageAction",
      summary: "What a button does (session of the admin token)",
      tags: ["page"],
      parameters: [
        inPath(
          "action",
          { enum: ["redeliver", "replay", "cancel-replay", "test", "enable", "disable"] },
          "What to do.",
        ),
      ],
      requestBody: form("csrf", "back", "id", "name", "subscription", "reason"),
      security: SESSION,
      responses: { 303: ELSEWHERE, 403: plain("Not allowed"), 404: plain("There is no such action") },
    },
  },
};

function view(operationId: string, summary: string, parameters: readonly Json[] = []): Json {
  return {
    get: {
      operationId,
      summary,
      tags: ["page"],
      ...(parameters.length > 0 && { parameters }),
      security: SESSION,
      responses: { 200: HTML, 303: ELSEWHERE, 400: HTML, 404: HTML },
    },
  };
}

function form(...names: readonly string[]): Json {
  const properties = Object.fromEntries(names.map((name) => [name, TEXT]));
  return { content: { "application/x-www-form-urlencoded": { schema: { type: "object", properties } } } };
}
