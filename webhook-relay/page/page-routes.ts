import type { Context } from "hono";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { csrf } from "hono/csrf";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";

import type { Clock } from "../../lib/clock.ts";
import { describeError, InvalidValueError } from "../../lib/errors.ts";
import type { Readiness } from "../../lib/health-server.ts";
import type { Logger } from "../../lib/log.ts";
import { RefusedError } from "../accept.ts";
import type { RelayControl } from "../control.ts";
import { FORM_MAX_BYTES } from "../limits.ts";
import { StoreError } from "../store/database.ts";
import type { TokenSet } from "../tokens.ts";
import { actionRoutes } from "./action-routes.ts";
import { ICON, page } from "./layout.ts";
import { loginRoutes } from "./login-routes.ts";
import { empty } from "./parts.ts";
import { Sessions } from "./session.ts";
import { PAGE_POLICY } from "./style.ts";
import { viewRoutes } from "./view-routes.ts";

/** What the page needs of a running relay. */
export interface PageOptions {
  readonly control: RelayControl;
  readonly tokens: () => TokenSet;
  readonly readiness: () => Readiness;
  readonly clock: Clock;
  readonly logger: Logger;
  /** a text that nobody can guess, fit for a cookie */
  readonly randomSecret: () => string;
  /** see `LoginOptions` */
  readonly peerOf: (context: Context) => string;
}

/** The page for people: rendered here, without scripts, and nothing from elsewhere. */
export function pageRoutes(options: PageOptions): Hono {
  const app = new Hono();
  const sessions = new Sessions(options);
  const guard = new Hono();
  const pages = [
    "/",
    "/login",
    "/logout",
    "/actions/*",
    "/incidents/*",
    "/deliveries/*",
    "/subscriptions/*",
  ] as const;
  for (const path of pages) {
    guard.use(path, async (context, next) => {
      await next();
      context.header("content-security-policy", PAGE_POLICY);
      // forms of a page without referrers have no origin, and that is checked
      context.header("referrer-policy", "same-origin");
    });
    guard.use(path, csrf());
    guard.use(path, bodyLimit({ maxSize: FORM_MAX_BYTES }));
  }
  app.onError((error, context) => answerProblem(error, context, options.logger));
  app.route("/", guard);
  app.get("/icon.svg", (context) => {
    context.header("cache-control", "public, max-age=86400");
    return context.body(ICON, 200, { "content-type": "image/svg+xml" });
  });
  app.route("/", loginRoutes({ ...options, sessions }));
  app.route("/", actionRoutes({ ...options, sessions }));
  app.route("/", viewRoutes({ ...options, sessions }));
  return app;
}

/** What went wrong, for a person. */
function answerProblem(error: Error, context: Context, logger: Logger): Response | Promise<Response> {
  if (error instanceof HTTPException) return error.getResponse();
  if (error instanceof InvalidValueError) return problem(context, 400, "That cannot be shown", error.message);
  if (error instanceof RefusedError || error instanceof StoreError) {
    return problem(context, 503, "The relay cannot do that now", describeError(error));
  }
  logger.error("a page failed by a mistake of the relay", { error });
  return problem(context, 500, "The relay made a mistake", "Its log says more.");
}

function problem(
  context: Context,
  status: 400 | 500 | 503,
  title: string,
  text: string,
): Response | Promise<Response> {
  const body = html`${empty(title, text)}
    <p class="more"><a href="/">Go back to what is going on</a></p>`;
  return context.html(page({ title, session: undefined, body }), status);
}
