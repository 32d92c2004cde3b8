import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";

import { describeError } from "../../lib/errors.ts";

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** What is wrong with the store. */
export type StoreErrorKind =
  /** no room on the disk, or the store is as large as it may be */
  | "full"
  | "read_only"
  /** another process has it */
  | "in_use"
  /** the file is not a database, or its content makes no sense */
  | "broken"
  /** the disk failed */
  | "io"
  /** the store has been closed */
  | "closed"
  | "other";

/** The store cannot do what it should. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const KINDS: ReadonlyMap<number, StoreErrorKind> = new Map([
  [5, "in_use"],
  [6, "in_use"],
  [8, "read_only"],
  [10, "io"],
  [11, "broken"],
  [13, "full"],
  [14, "io"],
  [26, "broken"],
]);

/** The same by message: not every runtime puts the code on the error. */
const MESSAGES: readonly (readonly [text: string, kind: StoreErrorKind])[] = [
  ["database or disk is full", "full"],
  ["readonly database", "read_only"],
  ["database is locked", "in_use"],
  ["disk image is malformed", "broken"],
  ["file is not a database", "broken"],
  ["disk I/O error", "io"],
  ["unable to open database", "io"],
  ["database is not open", "closed"],
];

/** Turns what SQLite throws into a {@link StoreError}; one of ours comes back as it is. */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = describeError(error);
  const code = typeof error === "object" && error !== null && "errcode" in error ? error.errcode : undefined;
  const kind =
    (typeof code === "number" ? KINDS.get(code & 0xff) : undefined) ??
    MESSAGES.find(([part]) => message.includes(part))?.[1] ??
    "other";
  return new StoreError(kind, message, { cause: error });
}

/**
 * Opens a database file, makes it when it is missing, and takes it for this process alone.
 * @throws StoreError "in_use" when another process has it
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 0 });
    // before the first table, else it takes a VACUUM
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    // before the first read: then WAL needs no shared memory, and nobody else gets in until the end
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec("PRAGMA journal_size_limit = 67108864");
    database.exec("PRAGMA cache_size = -16384");
    database.exec("PRAGMA temp_store = MEMORY");
    // a reader's lock is not enough
    database.exec("BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error);
  }
}

/** The only row of a statement that must have one. */
export function onlyRow(statement: StatementSync, ...values: readonly (string | number)[]): Row {
  const row = statement.get(...values);
  if (row === undefined) throw new StoreError("other", `no row from ${statement.sourceSQL}`);
  return row;
}

/** A column that holds a whole number. */
export function int(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw unexpected(column, value);
}

/** A column that holds a whole number or nothing. */
export function optionalInt(row: Row, column: string): number | undefined {
  const value = row[column];
  if (value === null) return undefined;
  return int(row, column);
}

/** A column that holds text. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw unexpected(column, value);
}

/** A column that holds text or nothing. */
export function optionalText(row: Row, column: string): string | undefined {
  const value = row[column];
  if (value === null) return undefined;
  return text(row, column);
}

/** A column that holds bytes. */
export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof Uint8Array) return value;
  throw unexpected(column, value);
}

function unexpected(column: string, value: unknown): StoreError {
  return new StoreError("broken", `column ${column} holds ${value === null ? "NULL" : typeof value}`);
}
