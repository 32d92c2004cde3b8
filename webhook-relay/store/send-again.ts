import { int, optionalInt, text, type Row } from "./database.ts";
import { readReplay } from "./read-replays.ts";
import { deliveryFilter, type Filter } from "./filters.ts";
import { filtered, type Statements } from "./statements.ts";
import type { DatabaseSync } from "node:sqlite";
import type { ReplayView } from "./views.ts";

/**
 * Makes a delivery due now, with all its attempts before it. One that is part of another's message stands for the whole
 * message, so that what goes out under its `webhook-id` is what went out before. Inside a transaction.
 */
export function sendAgain(
  statements: Statements,
  deliveryId: number,
  now: number,
): "queued" | "not_found" | "under_way" {
  const row = statements.deliveryForAgain.get(deliveryId);
  if (row === undefined) return "not_found";
  return queue(statements, leadOf(statements, row), now);
}

/** The delivery that a delivery's message goes out as: another that leads it, or itself. */
function leadOf(statements: Statements, row: Row): Row {
  const lead = optionalInt(row, "lead_id");
  return (lead === undefined ? undefined : statements.deliveryForAgain.get(lead)) ?? row;
}

function queue(statements: Statements, row: Row, now: number): "queued" | "under_way" {
  if (text(row, "state") === "delivering") return "under_way";
  const id = int(row, "id");
  statements.again.run({ id, now });
  statements.againMembers.run(id);
  return "queued";
}

/** What one step of a replay has done. */
export interface ReplayStep {
  readonly replay: ReplayView;
  /** subscriptions that have something due now */
  readonly subscriptions: readonly string[];
}

/** What a replay is taken forward with. */
export interface ReplayParts {
  readonly database: DatabaseSync;
  readonly statements: Statements;
  /** called after each delivery, before anything of the step is committed */
  readonly midway: (work: "replay") => void;
}

/**
 * Takes a replay forward by some deliveries and writes down how far it is, so that a restart goes on from there and sends
 * none twice. Inside a transaction.
 * @returns undefined when the replay is not running any more
 */
export function stepReplay(
  { database, statements, midway }: ReplayParts,
  id: number,
  count: number,
  now: number,
): ReplayStep | undefined {
  const row = statements.findReplay.get(id);
  if (row === undefined || text(row, "state") !== "running") return undefined;
  const { query, createdAt } = readReplay(row);
  const found = nextDeliveries(database, deliveryFilter(query), {
    after: int(row, "after_id"),
    until: int(row, "until_id"),
    count,
  });
  const subscriptions = new Set<string>();
  let replayed = 0;
  for (const delivery of found) {
    // a message of several was queued by the first of them, and is pending now or has ended again
    const current = statements.deliveryForAgain.get(int(delivery, "id"));
    if (current === undefined || !ENDED.has(text(current, "state"))) continue;
    if (isSentSince(leadOf(statements, current), createdAt)) continue;
    if (sendAgain(statements, int(delivery, "id"), now) !== "queued") continue;
    subscriptions.add(text(delivery, "subscription"));
    replayed += 1;
    midway("replay");
  }
  const last = found.at(-1);
  if (last === undefined) statements.endReplay.run({ id, now, state: "done" });
  else statements.advanceReplay.run({ id, after: int(last, "id"), replayed });
  const after = statements.findReplay.get(id);
  return after === undefined ? undefined : { replay: readReplay(after), subscriptions: [...subscriptions] };
}

function isSentSince(lead: Row, time: number): boolean {
  return int(lead, "is_replay") === 1 && int(lead, "age_from") >= time;
}

const ENDED: ReadonlySet<string> = new Set(["delivered", "dead"]);

function nextDeliveries(
  database: DatabaseSync,
  filter: Filter,
  range: { readonly after: number; readonly until: number; readonly count: number },
): readonly Row[] {
  return database.prepare(filtered.toReplay(filter.and)).all({ ...filter.values, ...range });
}
