/** Reading of JSON that nobody has checked: a field of the wrong type counts as absent. */

/** The value as an object; an empty one when it is none. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

/** Whether the value is an object, and neither null nor a list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as a text; "" when it is none. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The value as a list of at most `max` objects; entries that are none are left out. */
export function asObjects(value: unknown, max: number): readonly Readonly<Record<string, unknown>>[] {
  return asList(value).slice(0, max).filter(isObject);
}

/** The value as a list of at most `max` texts; entries that are none are left out. */
export function asTexts(value: unknown, max: number): readonly string[] {
  return asList(value)
    .slice(0, max)
    .filter((item) => typeof item === "string");
}

/** The value as a time in milliseconds since 1970; 0 when it is none. */
export function asTime(value: unknown): number {
  const time = Date.parse(asText(value));
  return Number.isNaN(time) ? 0 : time;
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
