import { Hono } from "hono";

import type { RelayControl } from "../control.ts";
import type { TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";
import { attemptJson, deliveryJson, eventJson } from "./json.ts";
import { readDeliveryQuery, readEventQuery, readId, readPage } from "./parameters.ts";

/** What the routes for events and deliveries need. */
export interface QueryOptions {
  readonly control: RelayControl;
  readonly tokens: () => TokenSet;
}

/** `GET /v1/events`, `/v1/events/{id}`, `/v1/deliveries` and `/v1/deliveries/{id}`, and a delivery once more. */
export function queryRoutes({ control, tokens }: QueryOptions): Hono {
  const app = new Hono();
  const mayRead = requireRole(tokens, "read", "admin");
  app.get("/v1/events", mayRead, (context) => {
    const { items, next } = control.events(readEventQuery(context), readPage(context));
    return context.json({ events: items.map(eventJson), next: next ?? null });
  });
  app.get("/v1/events/:id", mayRead, (context) => {
    const id = context.req.param("id");
    const view = control.event(id);
    if (view === undefined) return context.json({ error: `there is no event ${JSON.stringify(id)}` }, 404);
    const { items } = control.deliveries({ eventId: id }, { limit: 500, cursor: undefined });
    return context.json({ ...eventJson(view), deliveryList: items.map(deliveryJson) });
  });
  app.get("/v1/deliveries", mayRead, (context) => {
    const { items, next } = control.deliveries(readDeliveryQuery(context), readPage(context));
    return context.json({ deliveries: items.map(deliveryJson), next: next ?? null });
  });
  app.get("/v1/deliveries/:id", mayRead, (context) => {
    const text = context.req.param("id");
    const id = readId(text);
    const view = id === undefined ? undefined : control.delivery(id);
    if (view === undefined)
      return context.json({ error: `there is no delivery ${JSON.stringify(text)}` }, 404);
    return context.json({ ...deliveryJson(view), attempts: control.attempts(view.id).map(attemptJson) });
  });
  app.post("/v1/deliveries/:id/redeliver", requireRole(tokens, "admin"), async (context) => {
    const text = context.req.param("id");
    const id = readId(text);
    const result = id === undefined ? "not_found" : await control.redeliver(id);
    const view = id === undefined ? undefined : control.delivery(id);
    if (result === "not_found" || view === undefined)
      return context.json({ error: `there is no delivery ${JSON.stringify(text)}` }, 404);
    if (result === "under_way")
      return context.json({ error: `delivery ${view.id} is under way, look again when it has ended` }, 409);
    return context.json(deliveryJson(view), 202);
  });
  return app;
}
