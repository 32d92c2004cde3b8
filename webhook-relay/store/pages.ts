import { InvalidValueError } from "../../lib/errors.ts";
import type { Row } from "./database.ts";
import { PAGE_MAX, type Page, type PageRequest } from "./views.ts";

/**
 * Reads one page of a list that is ordered by a number, newest first.
 * @param read rows below a number, so many at most
 * @param key the number of an item
 * @throws InvalidValueError for a limit or a cursor that cannot be
 */
export function pageOf<T>(
  { limit, cursor }: PageRequest,
  read: (before: number, limit: number) => readonly Row[],
  view: (row: Row) => T,
  key: (item: T, row: Row) => number,
): Page<T> {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw new InvalidValueError("limit", `${limit} is not allowed, must be from 1 to ${PAGE_MAX}`);
  }
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : readCursor(cursor);
  // one more than asked for tells whether there is a next page
  const rows = read(before, limit + 1);
  const items = rows.slice(0, limit).map((row) => ({ item: view(row), row }));
  const last = rows.length > limit ? items.at(-1) : undefined;
  return {
    items: items.map(({ item }) => item),
    next: last === undefined ? undefined : key(last.item, last.row).toString(36),
  };
}

function readCursor(cursor: string): number {
  const value = /^[0-9a-z]{1,11}$/.test(cursor) ? Number.parseInt(cursor, 36) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidValueError("cursor", `${JSON.stringify(cursor)} is none that this API gave out`);
}
