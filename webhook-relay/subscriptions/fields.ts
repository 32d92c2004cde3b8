import { InvalidValueError } from "../../lib/errors.ts";
import { parseDuration } from "../../lib/units.ts";

/** Hosts whose addresses are secrets by themselves. */
const SECRET_HOSTS = /(^|\.)(hooks\.slack\.com|hooks\.slack-gov\.com)$/;

/** A mapping of YAML while it is read: says what is wrong with a field, and in the end which fields nobody asked for. */
export class Fields {
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();
  readonly #problems: string[];

  /**
   * @param path where the mapping stands, e.g. "subscriptions[2].tls"
   * @param problems takes one line for each mistake
   */
  constructor(path: string, value: unknown, problems: string[]) {
    this.#path = path;
    this.#problems = problems;
    const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
    this.#values = isMapping ? Object.fromEntries(Object.entries(value)) : {};
    if (!isMapping) this.#problems.push(`${path}: ${show(value)} is not allowed, must be a mapping`);
  }

  /** Where a field stands. */
  path(name: string): string {
    return `${this.#path}.${name}`;
  }

  has(name: string): boolean {
    this.#asked.add(name);
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  /** The value as it is; undefined when it is missing. */
  raw(name: string): unknown {
    return this.has(name) ? this.#values[name] : undefined;
  }

  /** Says that a field is wrong. */
  refuse(name: string, message: string): void {
    this.#problems.push(`${this.path(name)}: ${message}`);
  }

  /** Reads a field; what `read` refuses becomes a line. */
  take<T>(name: string, read: (value: unknown, path: string) => T): T | undefined {
    if (!this.has(name)) return undefined;
    try {
      return read(this.#values[name], this.path(name));
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      this.#problems.push(error.message);
      return undefined;
    }
  }

  /** A field that must not be empty text. */
  text(name: string): string | undefined {
    return this.take(name, readText);
  }

  /** A list of texts; one text alone counts as a list. */
  texts(name: string): readonly string[] | undefined {
    return this.take(name, readTexts);
  }

  /** One of a few words. */
  choice<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    return this.take(name, (value, path) => {
      const found = choices.find((choice) => choice === value);
      if (found === undefined) throw refusal(path, value, `one of ${choices.join(", ")}`);
      return found;
    });
  }

  /** A Go-style duration, in milliseconds. */
  duration(name: string, min: number, max: number): number | undefined {
    return this.take(name, (value, path) => readDuration(value, path, min, max));
  }

  /** A whole number. */
  int(name: string, min: number, max: number): number | undefined {
    return this.take(name, (value, path) => {
      if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
        throw refusal(path, value, `a whole number from ${min} to ${max}`);
      }
      return value;
    });
  }

  /** A mapping inside this one. */
  fields(name: string): Fields | undefined {
    return this.has(name) ? new Fields(this.path(name), this.#values[name], this.#problems) : undefined;
  }

  /** Says which fields are there that nobody has asked for. */
  end(): void {
    for (const name of Object.keys(this.#values)) {
      if (this.#asked.has(name)) continue;
      this.#problems.push(`${this.path(name)}: unknown field, known are ${[...this.#asked].join(", ")}`);
    }
  }
}

/** @throws InvalidValueError */
export function readText(value: unknown, path: string): string {
  if (typeof value !== "string" || value === "") throw refusal(path, value, "text");
  return value;
}

/**
 * A URL that is no secret.
 * @throws InvalidValueError
 */
export function readUrl(value: unknown, path: string): string {
  const text = readText(value, path);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    // it may be a secret in the wrong place
    throw new InvalidValueError(path, "is no address, must begin with https:// or http://");
  }
  if (url.username !== "" || url.password !== "") {
    throw new InvalidValueError(
      path,
      `has credentials in it, put it into a file and name that in ${path}File`,
    );
  }
  if (SECRET_HOSTS.test(url.hostname)) {
    throw new InvalidValueError(
      path,
      `is a secret as a whole, put it into a file and name that in ${path}File`,
    );
  }
  return text;
}

/** @throws InvalidValueError */
export function readTexts(value: unknown, path: string): readonly string[] {
  if (typeof value === "string") return [readText(value, path)];
  if (!Array.isArray(value)) throw refusal(path, value, "a list of texts");
  return value.map((item: unknown, at) => readText(item, `${path}[${at}]`));
}

/** @throws InvalidValueError */
export function readDuration(value: unknown, path: string, min: number, max: number): number {
  if (typeof value !== "string" && value !== 0) {
    throw refusal(path, value, 'a duration such as "30s" or "5m"');
  }
  const milliseconds = parseDuration(String(value), path);
  if (milliseconds < min || milliseconds > max) {
    throw refusal(path, value, `from ${min / 1000}s to ${max / 1000}s`);
  }
  return milliseconds;
}

/** The error for a value that is not allowed. */
export function refusal(path: string, value: unknown, must: string): InvalidValueError {
  return new InvalidValueError(path, `${show(value)} is not allowed, must be ${must}`);
}

/** A value as an error shows it: short, and on one line. */
function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value) ?? typeof value;
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
