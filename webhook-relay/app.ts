import type { Context } from "hono";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";

import type { Clock } from "../lib/clock.ts";
import { describeError, InvalidValueError } from "../lib/errors.ts";
import type { Readiness } from "../lib/health-server.ts";
import type { Logger } from "../lib/log.ts";
import { RefusedError, type Acceptor } from "./accept.ts";
import type { RelayControl } from "./control.ts";
import { REFUSED_RETRY_AFTER_S } from "./limits.ts";
import type { RelayMetrics } from "./metrics.ts";
import { pageRoutes } from "./page/page-routes.ts";
import { ingestRoutes } from "./routes/ingest.ts";
import { openRoutes } from "./routes/open.ts";
import { openApiRoutes } from "./routes/openapi.ts";
import { queryRoutes } from "./routes/query.ts";
import { replayRoutes } from "./routes/replays.ts";
import { subscriptionRoutes } from "./routes/subscriptions.ts";
import { StoreError } from "./store/database.ts";
import type { TokenSet } from "./tokens.ts";

/** What the app needs of a running relay. */
export interface AppOptions {
  readonly control: RelayControl;
  readonly acceptor: Acceptor;
  /** the tokens that are valid now */
  readonly tokens: () => TokenSet;
  readonly readiness: () => Readiness;
  /** see `OpenOptions` */
  readonly publicKeys: () => readonly Uint8Array[];
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  /** a text that nobody can guess, fit for a cookie */
  readonly randomSecret: () => string;
  /** see `LoginOptions`; default: nobody knows */
  readonly peerOf?: (context: Context) => string;
  /** see `IngestOptions`; default: nobody is refused */
  readonly refusePeer?: (context: Context) => string;
}

/** Makes the relay's HTTP interface. It knows of no server: whatever has a `fetch` can carry it. */
export function createApp(options: AppOptions): Hono {
  const { metrics, refusePeer = () => "", peerOf = () => "" } = options;
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    metrics.request(routeLabel(context), context.req.method, context.res.status);
    for (const [name, value] of Object.entries(DEFAULT_HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  });
  app.route("/", openRoutes(options));
  app.route("/", ingestRoutes({ ...options, refusePeer }));
  app.route("/", queryRoutes(options));
  app.route("/", replayRoutes(options));
  app.route("/", subscriptionRoutes(options));
  app.route("/", openApiRoutes(options));
  app.route("/", pageRoutes({ ...options, peerOf }));
  app.notFound((context) => context.json({ error: `there is nothing at ${context.req.path}` }, 404));
  app.onError((error, context) => answerError(error, context, options.logger));
  return app;
}

/** On every answer that does not say otherwise: nothing here is for frames, caches or guesses. */
const DEFAULT_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

function answerError(error: Error, context: Context, logger: Logger): Response {
  if (error instanceof InvalidValueError) {
    const message = error.message.slice(error.field.length + 2);
    return context.json({ error: error.message, details: [{ path: error.field, message }] }, 400);
  }
  if (error instanceof HTTPException) return error.getResponse();
  if (error instanceof RefusedError || error instanceof StoreError) {
    context.header("retry-after", String(REFUSED_RETRY_AFTER_S));
    return context.json({ error: describeError(error) }, 503);
  }
  logger.error("a request failed by a mistake of the relay", { path: routeLabel(context), error });
  return context.json({ error: "the relay made a mistake, its log says more" }, 500);
}

/** The pattern that matched, so that ids in paths make no labels. */
function routeLabel(context: Context): string {
  const pattern = routePath(context, -1);
  return pattern === "/*" || pattern === "*" ? "other" : pattern;
}
