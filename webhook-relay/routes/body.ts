import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";

import { InvalidValueError } from "../../lib/errors.ts";
import { BODY_MAX_BYTES } from "../limits.ts";

/** Makes the middleware that refuses bodies that are too large, whether their length is told or not. */
export function limitBody(): MiddlewareHandler {
  return bodyLimit({
    maxSize: BODY_MAX_BYTES,
    onError: (context) =>
      context.json({ error: `the body is too large, at most ${BODY_MAX_BYTES} bytes are allowed` }, 413),
  });
}

/** Longest text in a body of settings, in characters. */
const TEXT_MAX_CHARS = 512;

/** A JSON object whose fields are texts and numbers. */
export type Settings = Readonly<Record<string, string | number | undefined>>;

/** Which fields a body may have. */
export interface KnownFields {
  readonly texts: readonly string[];
  readonly numbers: readonly string[];
}

/**
 * Reads a body of a few settings; an empty one has none.
 * @throws InvalidValueError that names the field
 */
export async function readSettings(context: Context, known: KnownFields): Promise<Settings> {
  const text = await context.req.text();
  if (text.trim() === "") return {};
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidValueError("body", "must be a JSON object");
  }
  const settings: Record<string, string | number> = {};
  for (const [name, found] of Object.entries(value)) {
    const setting: unknown = found;
    // as good as missing
    if (setting === null) continue;
    settings[name] = readSetting(name, setting, known);
  }
  return settings;
}

/**
 * Parses a body.
 * @throws InvalidValueError when it is no JSON
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error);
    throw new InvalidValueError("body", `it is no JSON: ${why}`, { cause: error });
  }
}

function readSetting(name: string, value: unknown, { texts, numbers }: KnownFields): string | number {
  if (texts.includes(name)) {
    if (typeof value !== "string") throw new InvalidValueError(name, "must be a text");
    if (value.length > TEXT_MAX_CHARS) {
      throw new InvalidValueError(
        name,
        `has ${value.length} characters, at most ${TEXT_MAX_CHARS} are allowed`,
      );
    }
    return value;
  }
  if (numbers.includes(name)) {
    if (typeof value === "number") return value;
    throw new InvalidValueError(name, "must be a number");
  }
  throw new InvalidValueError(name, `unknown field, known are ${[...texts, ...numbers].join(", ")}`);
}
