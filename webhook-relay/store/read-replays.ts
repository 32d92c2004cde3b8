import { int, optionalInt, StoreError, text, type Row } from "./database.ts";
import type { Statements } from "./statements.ts";
import { pageOf } from "./pages.ts";
import type { DeliveryQuery, Page, PageRequest, ReplayView } from "./views.ts";

/** Replays, newest first. */
export function readReplays(statements: Statements, page: PageRequest): Page<ReplayView> {
  return pageOf(
    page,
    (before, limit) => statements.listReplays.all(before, limit),
    readReplay,
    ({ id }) => id,
  );
}

/** Reads a row of the table `replays`. */
export function readReplay(row: Row): ReplayView {
  const perSecond = row["per_second"];
  const state = text(row, "state");
  if (state !== "running" && state !== "done" && state !== "cancelled") {
    throw new StoreError("broken", `a replay has the state ${state}`);
  }
  return {
    id: int(row, "id"),
    state,
    createdAt: int(row, "created_at"),
    endedAt: optionalInt(row, "ended_at"),
    query: parseQuery(text(row, "query")),
    perSecond: Number(perSecond),
    replayed: int(row, "replayed"),
  };
}

/** The query was checked before it was written, by this release or an older one. */
function parseQuery(json: string): DeliveryQuery {
  const query: unknown = JSON.parse(json);
  return typeof query === "object" && query !== null ? query : {};
}
