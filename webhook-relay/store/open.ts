import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import { describeError } from "../../lib/errors.ts";
import { onlyRow, openDatabase, storeError, StoreError, text } from "./database.ts";
import { migrate } from "./migrations.ts";

/** Name of the database in the data directory. */
const FILE_NAME = "relay.db";

/** An open database. */
export interface OpenedDatabase {
  readonly database: DatabaseSync;
  readonly path: string;
  /** a broken file was found and moved out of the way */
  readonly setAside: { readonly path: string; readonly reason: string } | undefined;
}

/**
 * Opens the database of a data directory, for this process alone. A broken file is set aside, never deleted, and a new
 * one begun.
 * @param now milliseconds since 1970, for the name of a file that is set aside
 * @throws StoreError when another process has it, or the directory cannot be used
 */
export function openStoreDatabase(directory: string, now: number): OpenedDatabase {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreError("io", `cannot make the data directory ${directory}: ${describeError(error)}`, {
      cause: error,
    });
  }
  const path = join(directory, FILE_NAME);
  try {
    return { database: openChecked(path), path, setAside: undefined };
  } catch (error) {
    const failure = storeError(error);
    if (failure.kind !== "broken") throw explain(failure, path);
    const aside = setAside(path, now);
    return { database: openChecked(path), path, setAside: { path: aside, reason: failure.message } };
  }
}

function openChecked(path: string): DatabaseSync {
  const database = openDatabase(path);
  try {
    const found = text(onlyRow(database.prepare("PRAGMA quick_check(1)")), "quick_check");
    if (found !== "ok") throw new StoreError("broken", `quick_check says: ${found}`);
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw storeError(error);
  }
}

function setAside(path: string, now: number): string {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const target = `${path}.broken-${stamp}`;
  // the log belongs to the file: without it, what can be rescued from the file is less
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${target}${suffix}`);
  }
  return target;
}

function explain(failure: StoreError, path: string): StoreError {
  if (failure.kind === "in_use") {
    return new StoreError(
      "in_use",
      `${path} is in use by another process: one relay to a data directory, stop the other or give --data-dir another`,
      { cause: failure },
    );
  }
  return new StoreError(failure.kind, `cannot open ${path}: ${failure.message}`, { cause: failure });
}
