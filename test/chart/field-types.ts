/** Checks values against the types of the Kubernetes API, as the client's classes list them. Pure. */

import { asObject } from "../../controller/objects/json.ts";

interface Attribute {
  /** of the class */
  readonly name: string;
  /** e.g. "string", "Array<V1Container>", "{ [key: string]: string; }" */
  readonly type: string;
}

interface TypedClass {
  getAttributeTypeMap(): readonly Attribute[];
}

const PRIMITIVES: ReadonlySet<string> = new Set(["string", "number", "boolean"]);

/** Where values of a typed object have other types than the API says: "spec.replicas: number, not string". */
export function typeMistakes(typed: object, path = ""): readonly string[] {
  const { constructor } = typed;
  if (!isTyped(constructor)) return [];
  const values = asObject(typed);
  return constructor
    .getAttributeTypeMap()
    .flatMap(({ name, type }) => valueMistakes(values[name], type, path === "" ? name : `${path}.${name}`));
}

function valueMistakes(value: unknown, type: string, path: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (PRIMITIVES.has(type)) return typeof value === type ? [] : [`${path}: ${type}, not ${typeof value}`];
  const [, items] = /^Array<(.+)>$/.exec(type) ?? [];
  if (items !== undefined) {
    if (!Array.isArray(value)) return [`${path}: a list, not ${typeof value}`];
    return value.flatMap((item, at) => valueMistakes(item, items, `${path}[${at}]`));
  }
  const [, entries] = /^\{ \[key: string\]: (.+); \}$/.exec(type) ?? [];
  if (entries !== undefined) {
    return Object.entries(asObject(value)).flatMap(([key, entry]) =>
      valueMistakes(entry, entries, `${path}.${key}`),
    );
  }
  if (typeof value === "object") return typeMistakes(value, path);
  return type === "IntOrString" || type === "any" ? [] : [`${path}: ${type}, not ${typeof value}`];
}

function isTyped(value: unknown): value is TypedClass {
  return typeof value === "function" && "getAttributeTypeMap" in value;
}
