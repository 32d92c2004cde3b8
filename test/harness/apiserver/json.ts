/** JSON that nobody has checked yet. */
export type Json = Record<string, unknown>;

/** Whether a value is a JSON object. */
export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object, an empty one when it is none. */
export function asJson(value: unknown): Json {
  return isJson(value) ? value : {};
}

/** The value as a list, an empty one when it is none. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as a text, "" when it is none. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The field at a path like "status.phase". */
export function fieldAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => asJson(at)[name], value);
}

/** Applies a JSON merge patch (RFC 7386); neither argument is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJson(patch)) return patch;
  const merged: Json = { ...asJson(target) };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}
