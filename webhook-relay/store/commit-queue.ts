import type { DatabaseSync } from "node:sqlite";

import { storeError, StoreError } from "./database.ts";
import type { Statements } from "./statements.ts";

/** Operations in one transaction at most, so that none waits for too many. */
const MAX_OPERATIONS = 512;

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
  readonly isDurable: boolean;
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
  readonly #waiting: Operation[] = [];
  #isScheduled = false;
  #isClosed = false;
  #isSyncFull = true;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /** Operations that wait for a transaction. */
  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Runs `work` in the next transaction; its result comes once it is committed.
   * @param isDurable whether it must survive a power cut; what need not goes without a flush when it is alone. The end
   * of the process alone loses neither.
   * @throws StoreError when the transaction failed, or `work` did: then nothing of it is left
   */
  run<T>(work: () => T, isDurable = true): Promise<T> {
    if (this.#isClosed) return Promise.reject(new StoreError("closed", "the store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: { readonly value: T } | undefined;
    this.#waiting.push({
      isDurable,
      work() {
        result = { value: work() };
      },
      succeed() {
        if (result !== undefined) resolve(result.value);
      },
      fail: reject,
    });
    this.#schedule();
    return promise;
  }

  /** Commits what waits; later operations are refused. */
  close(): void {
    this.#isClosed = true;
    while (this.#waiting.length > 0) this.#flush();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // after all sockets that have something to say were read
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #flush(): void {
    const operations = this.#waiting.splice(0, MAX_OPERATIONS);
    if (operations.length === 0) return;
    const { monotonic, afterCommit } = this.#options;
    const started = monotonic();
    let done: readonly Operation[];
    try {
      done = this.#transact(operations);
    } catch (error) {
      const failure = storeError(error);
      for (const operation of operations) operation.fail(failure);
      return;
    }
    afterCommit(monotonic() - started, operations.length);
    for (const operation of done) operation.succeed();
  }

  /** @returns the operations that went well; those that did not have been told */
  #transact(operations: readonly Operation[]): readonly Operation[] {
    const { database, statements, beforeCommit } = this.#options;
    this.#setSync(operations.some((operation) => operation.isDurable));
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
