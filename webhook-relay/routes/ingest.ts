import type { Context } from "hono";
import { Hono } from "hono";

import type { Acceptor } from "../accept.ts";
import type { RelayEvent } from "../event/event.ts";
import { parseEvent } from "../event/validate.ts";
import { BATCH_MAX_EVENTS } from "../limits.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";
import { limitBody } from "./body.ts";

/** What the route for events needs. */
export interface IngestOptions {
  readonly acceptor: Acceptor;
  readonly tokens: () => TokenSet;
  readonly metrics: RelayMetrics;
  /** why a client may not post events although it has a token; "" when it may */
  readonly refusePeer: (context: Context) => string;
}

/** `POST /v1/events`: one event or a list of them; answered once they are on disk. */
export function ingestRoutes(options: IngestOptions): Hono {
  const { acceptor, tokens, metrics, refusePeer } = options;
  const app = new Hono();
  app.post("/v1/events", requireRole(tokens, "ingest"), limitBody(), async (context) => {
    const why = refusePeer(context);
    if (why !== "") return context.json({ error: why }, 403);
    const body = parseBody(await context.req.text());
    if (body.kind === "refused") {
      metrics.event("", "rejected");
      return context.json({ error: body.error }, 400);
    }
    const { values, isBatch } = body;
    const { events, problems } = parseEvents(values, isBatch);
    if (problems.length > 0) {
      for (const value of values) metrics.event(typeOf(value), "rejected");
      const error = isBatch
        ? "not all of these are events, so none was taken"
        : "this is no event, see docs/webhooks.md";
      return context.json({ error, details: problems.slice(0, MAX_PROBLEMS) }, 400);
    }
    const accepted = await acceptor.accept(events);
    const results = accepted.map(({ id, result }) => ({ id, duplicate: result !== "accepted" }));
    const status = results.some(({ duplicate }) => !duplicate) ? 202 : 200;
    const [first] = results;
    return isBatch || first === undefined
      ? context.json({ events: results }, status)
      : context.json(first, status);
  });
  return app;
}

/** Problems that one answer tells. */
const MAX_PROBLEMS = 50;

type Body =
  | { readonly kind: "values"; readonly values: readonly unknown[]; readonly isBatch: boolean }
  | { readonly kind: "refused"; readonly error: string };

function parseBody(text: string): Body {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error);
    return { kind: "refused", error: `the body is no JSON: ${why}` };
  }
  if (!Array.isArray(value)) return { kind: "values", values: [value], isBatch: false };
  if (value.length === 0 || value.length > BATCH_MAX_EVENTS) {
    return {
      kind: "refused",
      error: `the list has ${value.length} events, must have 1 to ${BATCH_MAX_EVENTS}`,
    };
  }
  return { kind: "values", values: value, isBatch: true };
}

interface Problem {
  readonly path: string;
  readonly message: string;
}

function parseEvents(
  values: readonly unknown[],
  isBatch: boolean,
): { readonly events: readonly RelayEvent[]; readonly problems: readonly Problem[] } {
  const events: RelayEvent[] = [];
  const problems: Problem[] = [];
  for (const [at, value] of values.entries()) {
    const parsed = parseEvent(value);
    if (parsed.kind === "event") events.push(parsed.event);
    else {
      const prefix = isBatch ? `[${at}]` : "";
      problems.push(
        ...parsed.problems.map(({ path, message }) => ({
          path: prefix === "" || path === "" ? `${prefix}${path}` : `${prefix}.${path}`,
          message,
        })),
      );
    }
  }
  return { events, problems };
}

function typeOf(value: unknown): string {
  const isTyped = typeof value === "object" && value !== null && "type" in value;
  return isTyped && typeof value.type === "string" ? value.type : "";
}
