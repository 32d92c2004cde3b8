import { isDeepStrictEqual } from "node:util";

import { asJson, asList, isJson } from "./json.ts";
import type { Schema } from "./schema.ts";
import { invalidValue, required, tooLong, tooMany, unsupportedValue, type Cause } from "./status.ts";

/** A date-time as the API server checks it: RFC 3339. */
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/**
 * Says what is wrong with a value, as the schema validation of custom resources does.
 * @param path of the value, "" for the whole object
 */
export function validateValue(value: unknown, schema: Schema, path = ""): readonly Cause[] {
  if (value === null) return schema["nullable"] === true ? [] : [wrongType(path, value, schema)];
  if (!hasType(value, schema)) return [wrongType(path, value, schema)];
  const allowed = schema["enum"];
  if (Array.isArray(allowed) && !allowed.some((one) => isDeepStrictEqual(one, value))) {
    return [unsupportedValue(path, value, allowed)];
  }
  if (typeof value === "string") return checkText(value, schema, path);
  if (typeof value === "number") return checkNumber(value, schema, path);
  if (Array.isArray(value)) return checkItems(value, schema, path);
  return isJson(value) ? checkFields(value, schema, path) : [];
}

/** Says which immutable parts (CEL rule `self == oldSelf`) have changed. */
export function changedParts(value: unknown, old: unknown, schema: Schema, path = ""): readonly Cause[] {
  // a transition rule applies where both sides have a value
  if (value === undefined || old === undefined) return [];
  const own = asList(schema["x-kubernetes-validations"])
    .filter(() => !isDeepStrictEqual(value, old))
    .map((rule) => {
      const message = asJson(rule)["message"];
      return invalidValue(
        path,
        "object",
        typeof message === "string" ? message : "failed rule: self == oldSelf",
      );
    });
  const inner = Object.entries(asJson(schema["properties"])).flatMap(([name, property]) =>
    changedParts(asJson(value)[name], asJson(old)[name], asJson(property), join(path, name)),
  );
  return [...own, ...inner];
}

function hasType(value: unknown, schema: Schema): boolean {
  if (schema["x-kubernetes-int-or-string"] === true) {
    return typeof value === "string" || Number.isInteger(value);
  }
  switch (schema["type"]) {
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "array":
      return Array.isArray(value);
    case "object":
      return isJson(value);
    default:
      return true;
  }
}

function checkText(value: string, schema: Schema, path: string): readonly Cause[] {
  const causes: Cause[] = [];
  const { length } = Array.from(value);
  const { maxLength, minLength, pattern, format } = schema;
  if (typeof maxLength === "number" && length > maxLength) causes.push(tooLong(path, maxLength));
  if (typeof minLength === "number" && length < minLength) {
    causes.push(invalidValue(path, value, `${path} in body should be at least ${minLength} chars long`));
  }
  if (typeof pattern === "string" && !new RegExp(pattern, "u").test(value)) {
    causes.push(invalidValue(path, value, `${path} in body should match '${pattern}'`));
  }
  if (format === "date-time" && !(DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)))) {
    causes.push(
      invalidValue(path, value, `${path} in body must be of type date-time: ${JSON.stringify(value)}`),
    );
  }
  return causes;
}

function checkNumber(value: number, schema: Schema, path: string): readonly Cause[] {
  const causes: Cause[] = [];
  const { minimum, maximum } = schema;
  if (typeof minimum === "number" && value < minimum) {
    causes.push(invalidValue(path, value, `${path} in body should be greater than or equal to ${minimum}`));
  }
  if (typeof maximum === "number" && value > maximum) {
    causes.push(invalidValue(path, value, `${path} in body should be less than or equal to ${maximum}`));
  }
  return causes;
}

function checkItems(value: readonly unknown[], schema: Schema, path: string): readonly Cause[] {
  const { maxItems, minItems } = schema;
  const items = asJson(schema["items"]);
  if (typeof maxItems === "number" && value.length > maxItems) return [tooMany(path, value.length, maxItems)];
  const causes = value.flatMap((item, at) => validateValue(item, items, `${path}[${at}]`));
  if (typeof minItems === "number" && value.length < minItems) {
    causes.push(invalidValue(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  const keys = listKeys(value, schema);
  keys.forEach((key, at) => {
    if (keys.indexOf(key) < at) {
      causes.push({
        reason: "FieldValueDuplicate",
        message: `Duplicate value: ${key}`,
        field: `${path}[${at}]`,
      });
    }
  });
  return causes;
}

/** What makes items of a set or map the same; empty for other lists. */
function listKeys(value: readonly unknown[], schema: Schema): readonly string[] {
  if (schema["x-kubernetes-list-type"] === "set") return value.map((item) => JSON.stringify(item));
  if (schema["x-kubernetes-list-type"] !== "map") return [];
  const names = asList(schema["x-kubernetes-list-map-keys"]).map(String);
  return value.map((item) =>
    JSON.stringify(Object.fromEntries(names.map((name) => [name, asJson(item)[name]]))),
  );
}

function checkFields(
  value: Readonly<Record<string, unknown>>,
  schema: Schema,
  path: string,
): readonly Cause[] {
  const { maxProperties } = schema;
  const properties = asJson(schema["properties"]);
  const others = schema["additionalProperties"];
  const names = Object.keys(value);
  const missing = asList(schema["required"])
    .map(String)
    .filter((name) => !(name in value))
    .map((name) => required(join(path, name)));
  const branches = asList(schema["anyOf"]).map((branch) => asList(asJson(branch)["required"]).map(String));
  const isOneOfThem = branches.some((needed) => needed.every((name) => name in value));
  const unmatched =
    branches.length > 0 && !isOneOfThem
      ? [invalidValue(path, "object", `${path} in body must validate at least one schema (anyOf)`)]
      : [];
  const many =
    typeof maxProperties === "number" && names.length > maxProperties
      ? [tooMany(path, names.length, maxProperties)]
      : [];
  const inner = names.flatMap((name) => {
    // metadata has rules of its own, whatever the schema says
    if (path === "" && ["apiVersion", "kind", "metadata"].includes(name)) return [];
    const known = properties[name] ?? others;
    return isJson(known) ? validateValue(value[name], known, join(path, name)) : [];
  });
  return [...missing, ...unmatched, ...many, ...inner];
}

function wrongType(path: string, value: unknown, schema: Schema): Cause {
  const type =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "array"
        : Number.isInteger(value)
          ? "integer"
          : typeof value;
  return {
    reason: "FieldValueTypeInvalid",
    message: `Invalid value: "${type}": ${path} in body must be of type ${String(schema["type"])}: "${type}"`,
    field: path,
  };
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
