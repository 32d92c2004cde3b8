import { Hono } from "hono";

import { InvalidValueError } from "../../lib/errors.ts";
import type { RelayControl } from "../control.ts";
import { REPLAY_RATE_DEFAULT, REPLAY_RATE_MAX } from "../limits.ts";
import type { TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";
import { limitBody, readSettings, type Settings } from "./body.ts";
import { replayJson } from "./json.ts";
import { DELIVERY_FILTERS, readId, readPageOnly, toDeliveryQuery } from "./parameters.ts";
import type { DeliveryQuery } from "../store/views.ts";

/** What the routes for replays need. */
export interface ReplayOptions {
  readonly control: RelayControl;
  readonly tokens: () => TokenSet;
}

/** States that a replay can be about: what is not done is under way anyhow. */
const ENDED = ["delivered", "dead"] as const;

/** `/v1/replays`: past deliveries again, by filter and time window. */
export function replayRoutes({ control, tokens }: ReplayOptions): Hono {
  const app = new Hono();
  const mayRead = requireRole(tokens, "read", "admin");
  const mayChange = requireRole(tokens, "admin");
  app.post("/v1/replays", mayChange, limitBody(), async (context) => {
    const settings = await readSettings(context, { texts: DELIVERY_FILTERS, numbers: ["ratePerSecond"] });
    const perSecond = readRate(settings["ratePerSecond"]);
    const replay = await control.createReplay(readQuery(settings), perSecond);
    context.header("location", `/v1/replays/${replay.id}`);
    return context.json(replayJson(replay), 202);
  });
  app.get("/v1/replays", mayRead, (context) => {
    const { items, next } = control.replays(readPageOnly(context));
    return context.json({ replays: items.map(replayJson), next: next ?? null });
  });
  app.get("/v1/replays/:id", mayRead, (context) => {
    const text = context.req.param("id");
    const id = readId(text);
    const replay = id === undefined ? undefined : control.replay(id);
    return replay === undefined
      ? context.json({ error: `there is no replay ${JSON.stringify(text)}` }, 404)
      : context.json(replayJson(replay));
  });
  app.post("/v1/replays/:id/cancel", mayChange, async (context) => {
    const text = context.req.param("id");
    const id = readId(text);
    const wasRunning = id !== undefined && (await control.cancelReplay(id));
    const replay = id === undefined ? undefined : control.replay(id);
    if (replay === undefined)
      return context.json({ error: `there is no replay ${JSON.stringify(text)}` }, 404);
    return wasRunning
      ? context.json(replayJson(replay))
      : context.json({ error: `replay ${replay.id} is ${replay.state} already` }, 409);
  });
  return app;
}

function readQuery(settings: Settings): DeliveryQuery {
  const texts = Object.fromEntries(
    DELIVERY_FILTERS.map((name) => [name, settings[name]] as const).filter(
      (entry): entry is readonly [(typeof DELIVERY_FILTERS)[number], string] => typeof entry[1] === "string",
    ),
  );
  // everything that was ever kept, by an empty body: hardly what anybody means
  if (Object.keys(texts).length === 0) {
    throw new InvalidValueError("body", `must have at least one of ${DELIVERY_FILTERS.join(", ")}`);
  }
  const { state } = texts;
  if (state !== undefined && !ENDED.some((known) => known === state)) {
    throw new InvalidValueError(
      "state",
      `${JSON.stringify(state)} is not allowed, must be one of ${ENDED.join(", ")}, or left out for both`,
    );
  }
  const query = toDeliveryQuery(texts);
  if (query.since !== undefined && query.until !== undefined && query.since >= query.until) {
    throw new InvalidValueError(
      "until",
      `${JSON.stringify(texts.until)} is not allowed, must be after since, ${JSON.stringify(texts.since)}`,
    );
  }
  return query;
}

function readRate(value: string | number | undefined): number {
  if (value === undefined) return REPLAY_RATE_DEFAULT;
  if (typeof value === "number" && value > 0 && value <= REPLAY_RATE_MAX) return value;
  throw new InvalidValueError(
    "ratePerSecond",
    `${String(value)} is not allowed, must be more than 0 and at most ${REPLAY_RATE_MAX}`,
  );
}
