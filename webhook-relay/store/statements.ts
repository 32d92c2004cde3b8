import type { DatabaseSync, StatementSync } from "node:sqlite";

import { STORE_VERSION } from "./migrations.ts";

/** The condition of `deliveries_by_group`, word for word: SQLite uses a partial index only then. */
const IN_GROUP = "state IN ('pending', 'delivering') AND group_key IS NOT NULL";

/** A delivery with what is shown of its event. */
const DELIVERY = `SELECT d.*, e.id AS event_id, e.type, e.namespace, e.incident
  FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq`;

/** Statements to which conditions are added, see `Filter.and`. */
export const filtered = {
  events: (and: string) =>
    `SELECT e.* FROM events AS e WHERE e.seq < :before ${and} ORDER BY e.seq DESC LIMIT :limit`,
  deliveries: (and: string) => `${DELIVERY} WHERE d.id < :before ${and} ORDER BY d.id DESC LIMIT :limit`,
  toReplay: (and: string) => `SELECT d.id, d.subscription
    FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq
    WHERE d.id > :after AND d.id <= :until AND d.state IN ('delivered', 'dead') ${and}
    ORDER BY d.id LIMIT :count`,
} as const;

/** Nothing is remembered under the group's key of a delivery `d`. */
const IS_NEW_GROUP = `NOT EXISTS (SELECT 1 FROM sink_state AS s
      WHERE s.subscription = d.subscription AND s.key = d.group_key)`;

/** Every statement that does not depend on what a caller filters by, by name. */
const SQL = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",
  savepoint: "SAVEPOINT operation",
  release: "RELEASE operation",
  rollbackTo: "ROLLBACK TO operation",

  // events
  findEvent: "SELECT digest FROM events WHERE id = ?",
  findTombstone: "SELECT digest FROM tombstones WHERE id = ?",
  insertEvent: `INSERT INTO events (id, type, namespace, severity, incident, time, accepted_at, digest, body)
    VALUES (:id, :type, :namespace, :severity, :incident, :time, :now, :digest, :body)`,
  insertDelivery: `INSERT INTO deliveries (event_seq, subscription, state, group_key, created_at, age_from, due_at)
    VALUES (:event, :subscription, 'pending', :group, :now, :now, :due)`,

  // windows of groups
  findWindow: "SELECT ends_at FROM windows WHERE subscription = ? AND group_key = ?",
  openWindow: `INSERT INTO windows (subscription, group_key, interval_ms, ends_at)
    VALUES (:subscription, :group, :interval, :ends)
    ON CONFLICT DO UPDATE SET interval_ms = excluded.interval_ms, ends_at = excluded.ends_at`,
  reopenWindow: `UPDATE windows SET ends_at = :now + interval_ms WHERE subscription = :subscription AND group_key = :group`,
  deleteWindows: "DELETE FROM windows WHERE ends_at < ?",

  // leases
  nextDue: `SELECT min(due_at) AS due_at FROM deliveries WHERE state = 'pending' AND subscription = ?`,
  due: `SELECT id, group_key, attempts FROM deliveries
    WHERE state = 'pending' AND subscription = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
  countDueGroups: `SELECT count(*) AS count FROM (SELECT DISTINCT coalesce(group_key, id) FROM deliveries AS d
    WHERE state = 'pending' AND subscription = ? AND due_at <= ? AND ${IS_NEW_GROUP} LIMIT ?)`,
  foldFresh: `UPDATE deliveries SET state = 'folded', lead_id = :lead WHERE id IN
    (SELECT id FROM deliveries WHERE ${IN_GROUP} AND state = 'pending' AND subscription = :subscription
      AND group_key = :group AND due_at <= :now AND attempts = 0 AND total = 1 AND id <> :lead
      ORDER BY id LIMIT :max)`,
  isGroupUnderWay: `SELECT 1 FROM deliveries
    WHERE ${IN_GROUP} AND state = 'delivering' AND subscription = ? AND group_key = ? LIMIT 1`,
  oldestOfGroup: `SELECT min(id) AS id FROM deliveries
    WHERE ${IN_GROUP} AND state = 'pending' AND subscription = ? AND group_key = ?`,
  pendingOfGroup: `SELECT id FROM deliveries
    WHERE ${IN_GROUP} AND state = 'pending' AND subscription = ? AND group_key = ? AND id <> ? ORDER BY id LIMIT ?`,
  dueOthers: `SELECT id FROM deliveries AS d
    WHERE state = 'pending' AND subscription = ? AND due_at <= ? AND id <> ? AND ${IS_NEW_GROUP} ORDER BY due_at, id LIMIT ?`,
  adopt: "UPDATE deliveries SET lead_id = ? WHERE lead_id IN (SELECT value FROM json_each(?))",
  fold: "UPDATE deliveries SET state = 'folded', lead_id = ? WHERE id IN (SELECT value FROM json_each(?))",
  renew: `UPDATE deliveries SET spent = min(deliveries.spent, other.spent),
      rejections = min(deliveries.rejections, other.rejections), age_from = max(deliveries.age_from, other.age_from)
    FROM (SELECT min(spent) AS spent, min(rejections) AS rejections, max(age_from) AS age_from
      FROM deliveries WHERE id IN (SELECT value FROM json_each(:ids))) AS other
    WHERE deliveries.id = :lead`,
  lease: `UPDATE deliveries SET state = 'delivering', fence = fence + 1,
      is_overflow = max(is_overflow, :overflow,
        coalesce((SELECT max(is_overflow) FROM deliveries AS member WHERE member.lead_id = deliveries.id), 0)),
      may_have_arrived = max(may_have_arrived,
        coalesce((SELECT max(may_have_arrived) FROM deliveries AS member WHERE member.lead_id = deliveries.id), 0)),
      total = 1 + (SELECT count(*) FROM deliveries AS member WHERE member.lead_id = deliveries.id)
    WHERE id = :id AND state = 'pending'
    RETURNING id, event_seq, group_key, fence, attempts, spent, rejections, age_from, total, is_overflow, is_replay,
      may_have_arrived`,
  leaseSingles: `UPDATE deliveries SET state = 'delivering', fence = fence + 1 WHERE id IN
    (SELECT id FROM deliveries WHERE state = 'pending' AND subscription = ? AND due_at <= ?
      ORDER BY due_at, id LIMIT ?)
    RETURNING id, event_seq, group_key, fence, attempts, spent, rejections, age_from, total, is_overflow, is_replay,
      may_have_arrived`,

  unlease: `UPDATE deliveries SET state = 'pending'
    WHERE id = ? AND fence = ? AND state = 'delivering'`,

  // what a lease is about
  eventOfLease: "SELECT body, type, severity, time, id AS event_id FROM events WHERE seq = ?",
  itemsOfLead: `SELECT d.id, e.body FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq
    WHERE d.id = :lead OR d.lead_id = :lead ORDER BY e.seq LIMIT :max`,
  newestOfLead: `SELECT d.id, e.body FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq
    WHERE d.id = :lead OR d.lead_id = :lead ORDER BY e.seq DESC LIMIT 1`,
  talliesOfLead: `SELECT e.type, e.severity, count(*) AS count, min(e.time) AS first, max(e.time) AS last
    FROM deliveries AS d JOIN events AS e ON e.seq = d.event_seq
    WHERE d.id = :lead OR d.lead_id = :lead GROUP BY e.type, e.severity ORDER BY e.type, e.severity`,

  // ends of attempts
  endLease: `UPDATE deliveries SET state = :state, due_at = :due, ended_at = :ended, attempts = attempts + 1,
      spent = :spent, rejections = :rejections, may_have_arrived = :arrived,
      reason = :reason, message = :message
    WHERE id = :id AND fence = :fence AND state = 'delivering'
    RETURNING attempts, total`,
  endMembers: `UPDATE deliveries SET state = :state, ended_at = :ended, reason = :reason, message = :message
    WHERE lead_id = :lead AND state = 'folded'`,
  insertAttempt: `INSERT INTO attempts
      (delivery_id, number, started_at, duration_ms, outcome, reason, message, status, excerpt, retry_after_ms)
    VALUES (:id, :number, :started, :duration, :outcome, :reason, :message, :status, :excerpt, :retryAfter)`,
  underWay: "SELECT id, attempts FROM deliveries WHERE state <> 'delivered' AND state = 'delivering'",
  giveBack: `UPDATE deliveries SET state = 'pending', due_at = :now, fence = fence + 1, attempts = attempts + 1,
      may_have_arrived = 1, reason = 'interrupted', message = :message
    WHERE id = :id`,
  hasten: `UPDATE deliveries SET due_at = :now
    WHERE state = 'pending' AND subscription = :subscription AND due_at > :now AND attempts > 0`,
  hastenOne: `UPDATE deliveries SET due_at = :now WHERE id =
    (SELECT id FROM deliveries WHERE state = 'pending' AND subscription = :subscription AND attempts > 0
      ORDER BY due_at, id LIMIT 1)`,
  expire: `UPDATE deliveries SET state = 'dead', reason = 'expired', ended_at = :now,
      message = CASE message WHEN '' THEN :message ELSE :message || ', at last: ' || message END
    WHERE id IN (SELECT id FROM deliveries
      WHERE state = 'pending' AND subscription = :subscription AND age_from < :before LIMIT :max)
    RETURNING id`,
  shiftDue:
    "UPDATE deliveries SET due_at = due_at + :due, age_from = age_from + :age WHERE state IN ('pending', 'delivering')",
  shiftWindows: "UPDATE windows SET ends_at = ends_at + :by",

  // again
  deliveryForAgain: "SELECT id, state, lead_id, age_from, is_replay FROM deliveries WHERE id = ?",
  again: `UPDATE deliveries SET state = 'pending', lead_id = NULL, due_at = :now, age_from = :now, ended_at = NULL, spent = 0,
      rejections = 0, is_replay = max(is_replay, state <> 'pending')
    WHERE id = :id`,
  againMembers: `UPDATE deliveries SET state = 'folded', ended_at = NULL WHERE lead_id = ?`,
  insertReplay: `INSERT INTO replays (state, created_at, query, per_second, after_id, until_id, replayed)
    VALUES ('running', :now, :query, :perSecond, 0, (SELECT coalesce(max(id), 0) FROM deliveries), 0)
    RETURNING *`,
  advanceReplay: `UPDATE replays SET after_id = :after, replayed = replayed + :replayed WHERE id = :id`,
  endReplay: `UPDATE replays SET state = :state, ended_at = :now WHERE id = :id AND state = 'running'`,
  findReplay: "SELECT * FROM replays WHERE id = ?",
  listReplays: "SELECT * FROM replays WHERE id < ? ORDER BY id DESC LIMIT ?",
  runningReplays: "SELECT * FROM replays WHERE state = 'running' ORDER BY id",

  // what is remembered of subscriptions
  findHealth: "SELECT value FROM health WHERE subscription = ?",
  saveHealth: `INSERT INTO health (subscription, value) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value`,
  findSinkState: "SELECT value FROM sink_state WHERE subscription = ? AND key = ?",
  saveSinkState: `INSERT INTO sink_state (subscription, key, value, updated_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
  deleteSinkState: "DELETE FROM sink_state WHERE subscription = ? AND key = ?",

  // counts; the conditions are those of the partial index deliveries_open
  openCounts: `SELECT subscription, state, count(*) AS count, min(created_at) AS oldest
    FROM deliveries WHERE state <> 'delivered' GROUP BY state, subscription`,
  pageCount: "PRAGMA page_count",
  freePages: "PRAGMA freelist_count",
  pageSize: "PRAGMA page_size",

  /** an UPDATE that changes nothing may write nothing, this always writes a page */
  touch: `PRAGMA user_version = ${STORE_VERSION}`,

  // what people see
  showEvent: "SELECT * FROM events WHERE id = ?",
  statesOfEvent: "SELECT state, count(*) AS count FROM deliveries WHERE event_seq = ? GROUP BY state",
  showDelivery: `${DELIVERY} WHERE d.id = ?`,
  attemptsOf: `SELECT * FROM attempts WHERE delivery_id = (SELECT coalesce(lead_id, id) FROM deliveries WHERE id = ?)
    ORDER BY number`,
  // the index of incidents alone tells the newest event of each, however many there are
  incidents: `WITH newest AS (
      SELECT incident, max(seq) AS last, min(seq) AS first, count(*) AS count FROM events
      WHERE incident <> '' GROUP BY incident HAVING max(seq) < :before ORDER BY max(seq) DESC LIMIT :limit)
    SELECT e.seq, e.incident, e.namespace, e.accepted_at, e.body, newest.count, f.accepted_at AS first
    FROM newest JOIN events AS e ON e.seq = newest.last JOIN events AS f ON f.seq = newest.first
    ORDER BY e.seq DESC`,

  // retention
  agedEvents: `SELECT seq, accepted_at FROM events
    WHERE (accepted_at, seq) > (:afterTime, :afterSeq) AND accepted_at < :before
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_seq = events.seq
        AND (state IN ('pending', 'delivering', 'folded') OR (state = 'dead' AND ended_at >= :deadBefore)))
    ORDER BY accepted_at, seq LIMIT :max`,
  buryEvent: `INSERT OR REPLACE INTO tombstones (id, digest, deleted_at)
    SELECT id, digest, :now FROM events WHERE seq = :seq`,
  deleteEvent: "DELETE FROM events WHERE seq = ?",
  deleteTombstones: "DELETE FROM tombstones WHERE deleted_at < ?",
  deleteSinkStates: "DELETE FROM sink_state WHERE updated_at < ?",
  deleteReplays: "DELETE FROM replays WHERE state <> 'running' AND ended_at < ?",
  vacuum: "PRAGMA incremental_vacuum(2000)",
  checkpoint: "PRAGMA wal_checkpoint(TRUNCATE)",
} as const;

/** Every fixed statement, prepared. */
export type Statements = { readonly [Name in keyof typeof SQL]: StatementSync };

/** Prepares all statements; a mistake in one shows at the start. */
export function prepareStatements(database: DatabaseSync): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)] as const);
  const statements = Object.fromEntries(prepared);
  if (!isComplete(statements)) throw new Error("a statement was not prepared");
  return statements;
}

function isComplete(
  statements: Record<string, StatementSync>,
): statements is Record<keyof Statements, StatementSync> {
  return Object.keys(SQL).every((name) => name in statements);
}
