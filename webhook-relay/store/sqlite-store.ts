import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

import type { RelayEvent } from "../event/event.ts";
import { acceptEvent } from "./accept-events.ts";
import { CommitQueue } from "./commit-queue.ts";
import { int, onlyRow, optionalInt, storeError, text } from "./database.ts";
import { endAttempt, giveBackInterrupted } from "./end-attempt.ts";
import { readHealth } from "./health.ts";
import { leaseDeliveries } from "./lease-deliveries.ts";
import { openStoreDatabase } from "./open.ts";
import { readBatch } from "./read-batch.ts";
import { readReplay, readReplays } from "./read-replays.ts";
import { StoreReader } from "./reader.ts";
import { deleteEnded, deleteRemembered, expireDeliveries } from "./retention.ts";
import { sendAgain, stepReplay } from "./send-again.ts";
import { prepareStatements, type Statements } from "./statements.ts";
import type { RelayStore, StateCount } from "./store.ts";
import { DELIVERY_STATES, type DeliveryState } from "./views.ts";

/** What a store is opened with. */
export interface SqliteStoreOptions {
  readonly directory: string;
  /** milliseconds since 1970, and milliseconds that never go back */
  readonly clock: { now(): number; monotonic(): number };
  /** turns an event's JSON back into the event */
  readonly parseEvent: (body: string) => RelayEvent;
  /** see `CommitQueueOptions` */
  readonly beforeCommit?: () => void;
  readonly afterCommit?: (milliseconds: number, operations: number) => void;
  /** called in the middle of a transaction of this work */
  readonly midway?: (work: LongWork) => void;
}

/** What touches many rows in one transaction. */
export type LongWork = "replay" | "retention";

/** A store that was opened. */
export interface OpenedStore {
  readonly store: RelayStore;
  /** a broken file that was set aside */
  readonly setAside: { readonly path: string; readonly reason: string } | undefined;
  /** deliveries that were under way when the last relay was killed, and are sent again */
  readonly interrupted: number;
}

/**
 * Opens the store of a data directory, for this process alone.
 * @throws StoreError when another process has it, a newer release wrote it, or the directory cannot be used
 */
export function openStore(options: SqliteStoreOptions): OpenedStore {
  const {
    directory,
    clock,
    parseEvent,
    beforeCommit = nothing,
    afterCommit = nothing,
    midway = nothing,
  } = options;
  const { database, path, setAside } = openStoreDatabase(directory, clock.now());
  try {
    const statements = prepareStatements(database);
    statements.begin.run();
    const interrupted = giveBackInterrupted(statements, clock.now());
    statements.commit.run();
    const monotonic = (): number => clock.monotonic();
    const queue = new CommitQueue({ database, statements, beforeCommit, afterCommit, monotonic });
    return {
      store: createStore({ database, path, statements, queue, parseEvent, midway }),
      setAside,
      interrupted,
    };
  } catch (error) {
    database.close();
    throw storeError(error);
  }
}

interface Parts {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly statements: Statements;
  readonly queue: CommitQueue;
  readonly parseEvent: (body: string) => RelayEvent;
  readonly midway: (work: LongWork) => void;
}

function createStore(parts: Parts): RelayStore {
  const { database, path, statements, queue, parseEvent, midway } = parts;
  const reader = new StoreReader(database, statements);
  return {
    accept: (events, now) => queue.run(() => events.map((event) => acceptEvent(statements, event, now))),

    nextDue: (subscription) => optionalInt(onlyRow(statements.nextDue, subscription), "due_at"),
    // a lease that is lost is an attempt that is repeated: no reason to wait for the disk
    lease: (request) => queue.run(() => leaseDeliveries(statements, request), "soft"),
    unlease: (leases) =>
      queue.run(() => {
        for (const { deliveryId, fence } of leases) statements.unlease.run(deliveryId, fence);
      }, "soft"),
    batch: (lease, load) => readBatch(statements, lease, load, parseEvent),
    endAttempt: (end) => queue.run(() => endAttempt(statements, end), "lazy"),
    hasten: (subscription, now) => queue.run(() => void statements.hasten.run({ subscription, now })),
    hastenOne: (subscription, now) =>
      queue.run(() => Number(statements.hastenOne.run({ subscription, now }).changes) > 0, "soft"),
    shiftTimes: (by) =>
      queue.run(() => {
        statements.shiftDue.run({ due: by.due, age: by.age });
        statements.shiftWindows.run({ by: by.due });
      }),

    sendAgain: (id, now) => queue.run(() => sendAgain(statements, id, now)),
    createReplay: (query, perSecond, now) =>
      queue.run(() => {
        const created = statements.insertReplay.get({ query: JSON.stringify(query), perSecond, now });
        if (created === undefined) throw new Error("the replay was not written");
        return readReplay(created);
      }),
    stepReplay: (id, count, now) => queue.run(() => stepReplay(parts, id, count, now)),
    cancelReplay: (id, now) =>
      queue.run(() => Number(statements.endReplay.run({ id, now, state: "cancelled" }).changes) > 0),
    runningReplays: () => statements.runningReplays.all().map(readReplay),
    replay(id) {
      const row = statements.findReplay.get(id);
      return row === undefined ? undefined : readReplay(row);
    },
    replays: (page) => readReplays(statements, page),

    health: (subscription) => readHealth(statements, subscription),
    saveHealth: (subscription, health) =>
      queue.run(() => void statements.saveHealth.run(subscription, JSON.stringify(health))),
    sinkState: (subscription) => ({
      get(key) {
        const row = statements.findSinkState.get(subscription, key);
        return row === undefined ? undefined : text(row, "value");
      },
    }),

    events: (query, page) => reader.events(query, page),
    event: (id) => reader.event(id),
    deliveries: (query, page) => reader.deliveries(query, page),
    delivery: (id) => reader.delivery(id),
    attempts: (deliveryId) => reader.attempts(deliveryId),
    incidents: (page) => reader.incidents(page),

    counts: () => statements.openCounts.all().flatMap(toCount),
    size() {
      const pages = int(onlyRow(statements.pageCount), "page_count");
      const free = int(onlyRow(statements.freePages), "freelist_count");
      const pageSize = int(onlyRow(statements.pageSize), "page_size");
      return { used: (pages - free) * pageSize, file: fileSize(path) + fileSize(`${path}-wal`) };
    },

    probe: () => queue.run(() => void statements.touch.run()),

    expire: (step) => queue.run(() => expireDeliveries(statements, step)),
    deleteEnded: (step) => queue.run(() => deleteEnded(statements, step, midway)),
    deleteRemembered: (before) => queue.run(() => deleteRemembered(statements, before)),
    vacuum: () => void statements.vacuum.all(),

    close() {
      queue.close();
      try {
        statements.checkpoint.all();
      } finally {
        database.close();
      }
    },
  };
}

function toCount(row: Parameters<typeof text>[0]): readonly StateCount[] {
  const state = text(row, "state");
  if (!isState(state)) return [];
  return [
    { subscription: text(row, "subscription"), state, count: int(row, "count"), oldest: int(row, "oldest") },
  ];
}

function isState(value: string): value is DeliveryState {
  return (DELIVERY_STATES as readonly string[]).includes(value);
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function nothing(): void {
  // nobody asked
}
