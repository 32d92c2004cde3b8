import type { Context } from "hono";
import { Hono } from "hono";

import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { forget, placeOf, remember, visitorOf } from "./access.ts";
import { readForm, isOwnForm } from "./form.ts";
import { page } from "./layout.ts";
import { LoginLimit } from "./login-limit.ts";
import { loginPage } from "./login-view.ts";
import type { Sessions } from "./session.ts";

/** What logging in needs. */
export interface LoginOptions {
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** where a request comes from, to count its tries; "" when nobody knows */
  readonly peerOf: (context: Context) => string;
}

/** `/login` and `/logout`. */
export function loginRoutes({ sessions, clock, logger, peerOf }: LoginOptions): Hono {
  const app = new Hono();
  const limit = new LoginLimit(clock);
  const show = (problem: string, next: string) =>
    page({ title: "Log in", session: undefined, body: loginPage(problem, next) });
  app.get("/login", (context) => {
    const next = placeOf(context.req.query("next"));
    return visitorOf(context, sessions) === undefined
      ? context.html(show("", next))
      : context.redirect(next, 303);
  });
  app.post("/login", async (context) => {
    const form = await readForm(context);
    const next = placeOf(form["next"]);
    const peer = peerOf(context);
    const waitMs = limit.begin(peer);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      logger.warn("log-in refused: too many wrong tokens", { peer });
      context.header("retry-after", String(seconds));
      return context.html(show(`Too many wrong tokens. Come again in ${seconds} s.`, next), 429);
    }
    const id = sessions.open((form["token"] ?? "").trim());
    if (id === undefined) {
      logger.warn("log-in refused: no such token", { peer });
      return context.html(show("This is neither the read token nor the admin token.", next), 401);
    }
    limit.succeeded(peer);
    remember(context, id);
    return context.redirect(next, 303);
  });
  app.post("/logout", async (context) => {
    const form = await readForm(context);
    const visitor = visitorOf(context, sessions);
    if (visitor !== undefined && isOwnForm(form, visitor.session)) {
      sessions.close(visitor.id);
      forget(context);
    }
    return context.redirect("/login", 303);
  });
  return app;
}
