import { asJson, asList, isJson, type Json } from "./json.ts";

/** Part of an openAPIV3Schema. */
export type Schema = Readonly<Json>;

const KEYWORDS: ReadonlySet<string> = new Set([
  "type",
  "description",
  "title",
  "example",
  "properties",
  "additionalProperties",
  "required",
  "anyOf",
  "items",
  "enum",
  "pattern",
  "format",
  "maxLength",
  "minLength",
  "maximum",
  "minimum",
  "maxItems",
  "minItems",
  "maxProperties",
  "nullable",
  "default",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-validations",
]);

/** The one rule of CEL that is known here. */
export const IMMUTABLE_RULE = "self == oldSelf";

/**
 * Checks that a schema is structural and uses only what this server can judge, so that it never lets pass what a real
 * one refuses.
 * @throws Error naming path and keyword
 */
export function checkSchema(schema: Schema, path = "openAPIV3Schema"): void {
  for (const keyword of Object.keys(schema)) {
    if (!KEYWORDS.has(keyword))
      throw new Error(`${path}.${keyword} is not supported by the API server of the tests`);
  }
  if (typeof schema["type"] !== "string" && schema["x-kubernetes-int-or-string"] !== true) {
    throw new Error(`${path}.type is missing: the schema is not structural`);
  }
  for (const [at, branch] of asList(schema["anyOf"]).entries()) {
    const other = Object.keys(asJson(branch)).find((keyword) => keyword !== "required");
    if (other !== undefined)
      throw new Error(`${path}.anyOf[${at}].${other}: only "required" is supported there`);
  }
  for (const rule of asList(schema["x-kubernetes-validations"])) {
    if (asJson(rule)["rule"] !== IMMUTABLE_RULE) {
      throw new Error(`${path}: of CEL only "${IMMUTABLE_RULE}" is supported, got ${JSON.stringify(rule)}`);
    }
  }
  for (const [name, property] of Object.entries(asJson(schema["properties"]))) {
    checkSchema(asJson(property), `${path}.properties.${name}`);
  }
  const { items, additionalProperties } = schema;
  if (items !== undefined) checkSchema(asJson(items), `${path}.items`);
  if (isJson(additionalProperties)) checkSchema(additionalProperties, `${path}.additionalProperties`);
}

/** Drops fields that the schema does not know, and puts in defaults for absent ones. */
export function pruneAndDefault(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) {
    const items = asJson(schema["items"]);
    return value.map((item) => pruneAndDefault(item, items));
  }
  if (!isJson(value)) return value;
  const properties = asJson(schema["properties"]);
  const others = schema["additionalProperties"];
  const keeps = schema["x-kubernetes-preserve-unknown-fields"] === true || others === true;
  const kept: Json = {};
  for (const [name, field] of Object.entries(value)) {
    const known = properties[name] ?? (isJson(others) ? others : undefined);
    if (known !== undefined) {
      const isDropped = field === null && "default" in asJson(known) && asJson(known)["nullable"] !== true;
      if (!isDropped) kept[name] = pruneAndDefault(field, asJson(known));
    } else if (keeps) kept[name] = field;
  }
  for (const [name, property] of Object.entries(properties)) {
    const known = asJson(property);
    if (!(name in kept) && "default" in known) kept[name] = structuredClone(known["default"]);
  }
  return kept;
}
