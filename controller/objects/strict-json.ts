/** Reading of JSON that must have a shape: an absent field is undefined, one of the wrong type is an error. */

import { InvalidValueError } from "../../lib/errors.ts";
import { isObject } from "./json.ts";

/** Reads the fields of one object; errors name the path to the field. */
export class StrictReader {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #path: string;

  /**
   * @param value the object; undefined and null count as an empty one
   * @throws InvalidValueError when it is something else
   */
  constructor(value: unknown, path: string) {
    if (value !== undefined && value !== null && !isObject(value)) throw refuse(path, value, "an object");
    this.#object = isObject(value) ? value : {};
    this.#path = path;
  }

  /** Whether the field is there. */
  has(key: string): boolean {
    return this.#object[key] !== undefined && this.#object[key] !== null;
  }

  text(key: string): string | undefined {
    const value = this.#object[key] ?? undefined;
    if (value === undefined || typeof value === "string") return value;
    throw refuse(this.#at(key), value, "a text");
  }

  /** A text that must be there and not be empty. */
  needed(key: string): string {
    const value = this.text(key);
    if (value === undefined || value === "") throw new InvalidValueError(this.#at(key), "is missing");
    return value;
  }

  flag(key: string): boolean | undefined {
    const value = this.#object[key] ?? undefined;
    if (value === undefined || typeof value === "boolean") return value;
    throw refuse(this.#at(key), value, "true or false");
  }

  /** A whole number from 0. */
  count(key: string): number | undefined {
    const value = this.#object[key] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw refuse(this.#at(key), value, "a whole number from 0");
  }

  oneOf<const Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.text(key);
    if (value === undefined || value === "") return undefined;
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw refuse(this.#at(key), value, `one of ${words.join(", ")}`);
    return word;
  }

  /** One of a few words that must be there. */
  neededOneOf<const Word extends string>(key: string, words: readonly Word[]): Word {
    const value = this.oneOf(key, words);
    if (value === undefined) throw new InvalidValueError(this.#at(key), "is missing");
    return value;
  }

  texts(key: string): readonly string[] | undefined {
    return this.#list(key, (value, path) => {
      if (typeof value !== "string") throw refuse(path, value, "a text");
      return value;
    });
  }

  object(key: string): StrictReader {
    return new StrictReader(this.#object[key], this.#at(key));
  }

  objects<T>(key: string, read: (reader: StrictReader) => T): readonly T[] | undefined {
    return this.#list(key, (value, path) => read(new StrictReader(value ?? "", path)));
  }

  /** Text by name: labels. */
  map(key: string): Readonly<Record<string, string>> {
    const value = this.#object[key] ?? {};
    if (!isObject(value)) throw refuse(this.#at(key), value, "an object");
    const entries = Object.entries(value).map(([name, entry]) => {
      if (typeof entry !== "string") throw refuse(`${this.#at(key)}[${name}]`, entry, "a text");
      return [name, entry] as const;
    });
    return Object.fromEntries(entries);
  }

  #list<T>(key: string, read: (value: unknown, path: string) => T): readonly T[] | undefined {
    const value = this.#object[key] ?? undefined;
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw refuse(this.#at(key), value, "a list");
    return value.map((item, index) => read(item, `${this.#at(key)}[${index}]`));
  }

  #at(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }
}

function refuse(path: string, value: unknown, expected: string): InvalidValueError {
  const found = JSON.stringify(value)?.slice(0, 100) ?? String(value);
  return new InvalidValueError(path, `${found} is not allowed, must be ${expected}`);
}
