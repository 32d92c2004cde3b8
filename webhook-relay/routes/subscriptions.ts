import { Hono } from "hono";

import type { Clock } from "../../lib/clock.ts";
import type { RelayControl } from "../control.ts";
import { parseEvent } from "../event/validate.ts";
import type { TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";
import { limitBody, parseJson, readSettings } from "./body.ts";
import { matchJson } from "./json.ts";
import { subscriptionJson } from "./subscription-json.ts";

/** What the routes for subscriptions need. */
export interface SubscriptionRouteOptions {
  readonly control: RelayControl;
  readonly tokens: () => TokenSet;
  readonly clock: Pick<Clock, "now">;
}

/** `/v1/subscriptions`: how each fares; try, switch on, switch off; and which of them would get an event. */
export function subscriptionRoutes({ control, tokens, clock }: SubscriptionRouteOptions): Hono {
  const app = new Hono();
  const mayRead = requireRole(tokens, "read", "admin");
  const mayChange = requireRole(tokens, "admin");
  const show = (name: string): object | undefined => {
    const status = control.subscriptions().find(({ subscription }) => subscription.name === name);
    return status === undefined ? undefined : subscriptionJson(status, clock.now());
  };
  const missing = (name: string): { readonly error: string } => ({
    error: `there is no subscription ${JSON.stringify(name)}`,
  });

  app.get("/v1/subscriptions", mayRead, (context) => {
    const now = clock.now();
    return context.json({
      subscriptions: control.subscriptions().map((status) => subscriptionJson(status, now)),
    });
  });
  app.get("/v1/subscriptions/:name", mayRead, (context) => {
    const name = context.req.param("name");
    const shown = show(name);
    return shown === undefined ? context.json(missing(name), 404) : context.json(shown);
  });
  app.post("/v1/subscriptions/:name/test", mayChange, async (context) => {
    const name = context.req.param("name");
    const sent = await control.sendTest(name);
    if (sent === undefined) return context.json(missing(name), 404);
    context.header("location", `/v1/deliveries/${sent.deliveryId}`);
    return context.json(sent, 202);
  });
  for (const action of ["enable", "disable"] as const) {
    app.post(`/v1/subscriptions/:name/${action}`, mayChange, limitBody(), async (context) => {
      const name = context.req.param("name");
      const { reason } = await readSettings(context, { texts: ["reason"], numbers: [] });
      const why = typeof reason === "string" && reason.trim() !== "" ? reason : "switched off by a person";
      const isKnown = await control.setEnabled(name, action === "enable", why);
      const shown = isKnown ? show(name) : undefined;
      return shown === undefined ? context.json(missing(name), 404) : context.json(shown);
    });
  }
  app.post("/v1/subscriptions:match", mayRead, limitBody(), async (context) => {
    const parsed = parseEvent(parseJson(await context.req.text()));
    if (parsed.kind === "problems") {
      return context.json(
        { error: "this is no event, see docs/webhooks.md", details: parsed.problems.slice(0, MAX_PROBLEMS) },
        400,
      );
    }
    return context.json({ subscriptions: control.match(parsed.event).map(matchJson) });
  });
  return app;
}

/** Problems that one answer tells. */
const MAX_PROBLEMS = 50;
