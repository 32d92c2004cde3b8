import type { DatabaseSync } from "node:sqlite";

import { storeError, StoreError } from "./database.ts";
import type { Statements } from "./statements.ts";

/** Operations in one transaction at most, so that none waits for too many. */
const MAX_OPERATIONS = 512;
/** How long what is not urgent waits for company, in milliseconds, and how much of it at most. */
const LAZY_MS = 5;
const LAZY_MAX = 128;

/**
 * How an operation is committed. "durable": at once, on disk. "lazy": on disk, but it may wait a few milliseconds for
 * others. "soft": at once, and a power cut may undo it; the end of the process alone does not.
 */
export type CommitMode = "durable" | "lazy" | "soft";

/** What a queue works with. */
export interface CommitQueueOptions {
  readonly database: DatabaseSync;
  readonly statements: Pick<
    Statements,
    "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollbackTo"
  >;
  /** a transaction is complete but not yet committed; whoever ends the process here loses it */
  readonly beforeCommit: () => void;
  /** a transaction has ended well, nobody knows of it yet; milliseconds it took and operations in it */
  readonly afterCommit: (milliseconds: number, operations: number) => void;
  /** milliseconds of a clock that never goes back */
  readonly monotonic: () => number;
}

interface Operation {
  /** does the work, inside the transaction */
  readonly work: () => void;
  /** the transaction is on disk */
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Group commit: what arrives while a transaction is written to disk goes into the next one together, so that many
 * callers share one flush. Each operation succeeds or fails by itself; all wait for the commit.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #waiting: Readonly<Record<CommitMode, Operation[]>> = { durable: [], lazy: [], soft: [] };
  #isScheduled = false;
  #isClosed = false;
  #isSyncFull = true;
  #lazyTimer: NodeJS.Timeout | undefined;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` in a transaction soon; its result comes once it is committed.
   * @throws StoreError when the transaction failed, or `work` did: then nothing of it is left
   */
  run<T>(work: () => T, mode: CommitMode = "durable"): Promise<T> {
    if (this.#isClosed) return Promise.reject(new StoreError("closed", "the store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: { readonly value: T } | undefined;
    this.#waiting[mode].push({
      work() {
        result = { value: work() };
      },
      succeed() {
        if (result !== undefined) resolve(result.value);
      },
      fail: reject,
    });
    if (mode === "lazy" && this.#waiting.lazy.length < LAZY_MAX) {
      this.#lazyTimer ??= setTimeout(() => this.#flush(true), LAZY_MS);
    } else {
      this.#schedule();
    }
    return promise;
  }

  /** Commits what waits; later operations are refused. */
  close(): void {
    this.#isClosed = true;
    while (Object.values(this.#waiting).some((operations) => operations.length > 0)) this.#flush(true);
    clearTimeout(this.#lazyTimer);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // after all sockets that have something to say were read
    setImmediate(() => {
      this.#isScheduled = false;
      const { durable, lazy } = this.#waiting;
      this.#flush(durable.length > 0 || lazy.length >= LAZY_MAX);
      if (durable.length > 0 || this.#waiting.soft.length > 0) this.#schedule();
    });
  }

  /** @param isDurable takes everything along, else only what need not be on disk */
  #flush(isDurable: boolean): void {
    const { durable, lazy, soft } = this.#waiting;
    if (isDurable) {
      clearTimeout(this.#lazyTimer);
      this.#lazyTimer = undefined;
    }
    const operations = isDurable
      ? [...durable.splice(0, MAX_OPERATIONS), ...lazy.splice(0, MAX_OPERATIONS), ...soft.splice(0)]
      : soft.splice(0);
    if (lazy.length > 0) this.#lazyTimer ??= setTimeout(() => this.#flush(true), LAZY_MS);
    if (operations.length === 0) return;
    const { monotonic, afterCommit } = this.#options;
    const started = monotonic();
    let done: readonly Operation[];
    try {
      done = this.#transact(operations, isDurable);
    } catch (error) {
      const failure = storeError(error);
      for (const operation of operations) operation.fail(failure);
      return;
    }
    afterCommit(monotonic() - started, operations.length);
    for (const operation of done) operation.succeed();
  }

  /** @returns the operations that went well; those that did not have been told */
  #transact(operations: readonly Operation[], isDurable: boolean): readonly Operation[] {
    const { database, statements, beforeCommit } = this.#options;
    this.#setSync(isDurable);
    statements.begin.run();
    try {
      const done = operations.filter((operation) => this.#attempt(operation));
      beforeCommit();
      statements.commit.run();
      return done;
    } catch (error) {
      if (database.isTransaction) statements.rollback.run();
      throw error;
    }
  }

  #attempt(operation: Operation): boolean {
    const { database, statements } = this.#options;
    statements.savepoint.run();
    try {
      operation.work();
      statements.release.run();
      return true;
    } catch (error) {
      // a full disk may roll back everything by itself
      if (!database.isTransaction) throw error;
      statements.rollbackTo.run();
      statements.release.run();
      operation.fail(storeError(error));
      return false;
    }
  }

  #setSync(isFull: boolean): void {
    if (isFull === this.#isSyncFull) return;
    this.#options.database.exec(`PRAGMA synchronous = ${isFull ? "FULL" : "NORMAL"}`);
    this.#isSyncFull = isFull;
  }
}
