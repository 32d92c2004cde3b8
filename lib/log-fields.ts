import { describeError } from "./errors.ts";
import { isSecretName, REDACTED, redactText } from "./redact.ts";

/** A value that JSON can hold. */
export type Plain =
  string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain | undefined };

const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
const MAX_TEXT_LENGTH = 8192;

/**
 * Turns what a caller logs into something that JSON can hold: errors become their message and causes, secrets are
 * redacted by name and by shape, long, deep and circular values are cut. Never throws.
 */
export function plainField(name: string, value: unknown): Plain | undefined {
  return isSecretName(name) && holdsSomething(value) ? REDACTED : plainValue(value, []);
}

function holdsSomething(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

function plainValue(value: unknown, parents: readonly object[]): Plain | undefined {
  switch (typeof value) {
    case "string":
      return cutText(redactText(value));
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case "undefined":
      return undefined;
    case "object":
      return value === null ? null : plainObject(value, parents);
    default:
      return `[${typeof value}]`;
  }
}

function plainObject(value: object, parents: readonly object[]): Plain | undefined {
  if (value instanceof Error) return cutText(redactText(describeError(value)));
  if (parents.includes(value)) return "[circular]";
  if (parents.length >= MAX_DEPTH) return "[too deep]";
  const path = [...parents, value];
  try {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
    if (value instanceof URL) return redactText(value.href);
    if (value instanceof Map)
      return plainEntries(
        [...value].map(([key, item]) => [String(key), item]),
        path,
      );
    if (value instanceof Set || Array.isArray(value)) return plainItems([...value], path);
    return plainEntries(Object.entries(value), path);
  } catch (error) {
    return `[cannot be logged: ${describeError(error)}]`;
  }
}

function plainItems(items: readonly unknown[], path: readonly object[]): Plain {
  const shown = items.slice(0, MAX_ITEMS).map((item) => plainValue(item, path) ?? null);
  return items.length > MAX_ITEMS ? [...shown, `[${items.length - MAX_ITEMS} more]`] : shown;
}

function plainEntries(entries: readonly (readonly [string, unknown])[], path: readonly object[]): Plain {
  const shown = entries
    .slice(0, MAX_ITEMS)
    .map(([key, item]): [string, Plain | undefined] => [
      key,
      isSecretName(key) && holdsSomething(item) ? REDACTED : plainValue(item, path),
    ]);
  if (entries.length > MAX_ITEMS) shown.push(["more", entries.length - MAX_ITEMS]);
  return Object.fromEntries(shown);
}

function cutText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  return `${text.slice(0, MAX_TEXT_LENGTH)}[${text.length - MAX_TEXT_LENGTH} more characters]`;
}
