import type { Context } from "hono";
import { Hono } from "hono";

import type { Clock } from "../../lib/clock.ts";
import type { Readiness } from "../../lib/health-server.ts";
import type { RelayControl } from "../control.ts";
import { readId, readPage, toDeliveryQuery } from "../routes/parameters.ts";
import { visitorOf, type Visitor } from "./access.ts";
import { deliveryList, deliveryPage } from "./delivery-view.ts";
import { incidentList, incidentPage } from "./incident-view.ts";
import { page } from "./layout.ts";
import { nowPage } from "./now-view.ts";
import { empty, type Html, type ViewContext } from "./parts.ts";
import type { Sessions } from "./session.ts";
import { subscriptionPage } from "./subscription-view.ts";

/** What the views need. */
export interface ViewOptions {
  readonly control: RelayControl;
  readonly sessions: Sessions;
  readonly readiness: () => Readiness;
  readonly clock: Pick<Clock, "now">;
}

/** Items on a page, and of each kind on the first one. */
const PAGE_ITEMS = 50;
const FIRST_INCIDENTS = 10;
const FIRST_DEAD = 5;
const TIMELINE_MAX = 100;
const EVENT_DELIVERIES_MAX = 100;
/** How often the first page asks again by itself, in seconds. */
const REFRESH_S = 30;

interface View {
  readonly title: string;
  readonly section?: string;
  readonly body: Html;
  readonly refreshS?: number;
}

/** Everything that can be looked at, for whoever has logged in. */
export function viewRoutes({ control, sessions, readiness, clock }: ViewOptions): Hono {
  const app = new Hono();

  /** Shows a view to who has logged in; undefined is a page that says there is no such thing. */
  function route(path: string, make: (context: Context, view: ViewContext) => View | undefined): void {
    app.get(path, (context) => {
      const visitor = visitorOf(context, sessions);
      const { pathname, search } = new URL(context.req.url);
      const here = `${pathname}${search}`;
      if (visitor === undefined)
        return context.redirect(here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`, 303);
      const view = make(context, { session: visitor.session, now: clock.now(), here });
      return show(context, visitor, view);
    });
  }

  function show(
    context: Context,
    { id, session }: Visitor,
    view: View | undefined,
  ): Response | Promise<Response> {
    const notice = sessions.takeNotice(id);
    if (view !== undefined) return context.html(page({ ...view, session, notice }));
    const body = empty("There is no such thing", "It may have been deleted: events are not kept forever.");
    return context.html(page({ title: "Not found", session, notice, body }), 404);
  }

  route("/", (_, context) => ({
    title: "Now",
    section: "/",
    refreshS: REFRESH_S,
    body: nowPage(
      {
        readiness: readiness(),
        subscriptions: control.subscriptions(),
        incidents: control.incidents({ limit: FIRST_INCIDENTS, cursor: undefined }).items,
        deadLetters: control.deliveries({ state: "dead" }, { limit: FIRST_DEAD, cursor: undefined }).items,
        replays: control
          .replays({ limit: PAGE_ITEMS, cursor: undefined })
          .items.filter(({ state }) => state === "running"),
      },
      context,
    ),
  }));

  route("/incidents", ({ req }, context) => {
    const { items, next } = control.incidents({ limit: PAGE_ITEMS, cursor: req.query("cursor") });
    return { title: "Incidents", section: "/incidents", body: incidentList(items, next, context) };
  });

  route("/incidents/:id", ({ req }, context) => {
    const incident = req.param("id") ?? "";
    const { items, next } = control.events({ incident }, { limit: TIMELINE_MAX, cursor: undefined });
    if (incident === "" || items.length === 0) return undefined;
    const deliveries = items.flatMap(
      (event) =>
        control.deliveries({ eventId: event.id }, { limit: EVENT_DELIVERIES_MAX, cursor: undefined }).items,
    );
    const timeline = { incident, events: items, deliveries, isCut: next !== undefined };
    return { title: "Incident", section: "/incidents", body: incidentPage(timeline, context) };
  });

  route("/subscriptions/:name", ({ req }, context) => {
    const name = req.param("name") ?? "";
    const status = control.subscriptions().find(({ subscription }) => subscription.name === name);
    if (status === undefined) return undefined;
    const { items } = control.deliveries({ subscription: name }, { limit: 10, cursor: undefined });
    return { title: name, body: subscriptionPage(status, items, context) };
  });

  route("/deliveries", (context, view) => {
    const given = Object.entries(context.req.query()).filter(
      ([name, value]) => FILTERS.has(name) && value !== "",
    );
    const query = toDeliveryQuery(Object.fromEntries(given));
    const { items, next } = control.deliveries(query, { ...readPage(context), limit: PAGE_ITEMS });
    const subscriptions = control.subscriptions().map(({ subscription }) => subscription.name);
    const body = deliveryList({ deliveries: items, next, query, subscriptions }, view);
    return { title: "Deliveries", section: "/deliveries", body };
  });

  route("/deliveries/:id", ({ req }, context) => {
    const id = readId(req.param("id") ?? "");
    const delivery = id === undefined ? undefined : control.delivery(id);
    if (delivery === undefined) return undefined;
    const event = control.event(delivery.eventId);
    const body = deliveryPage(delivery, event, control.attempts(delivery.id), context);
    return { title: `Delivery ${delivery.id}`, section: "/deliveries", body };
  });

  return app;
}

/** What the list of deliveries on the page is filtered by. */
const FILTERS: ReadonlySet<string> = new Set(["subscription", "state", "incident"]);
