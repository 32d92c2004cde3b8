import { isDeepStrictEqual } from "node:util";

import { asJson, asList, asText, isJson, type Json } from "./json.ts";
import { withField, type Kind } from "./kinds.ts";
import { changedParts, validateValue } from "./schema-check.ts";
import { checkSchema, pruneAndDefault } from "./schema.ts";
import { META_FIELDS } from "./selectors.ts";
import type { Cause } from "./status.ts";
import type { ServedObject } from "./types.ts";

/**
 * The kinds that a CustomResourceDefinition makes: one for each served version. Nothing is converted between them.
 * @throws Error when the definition uses what this server cannot judge
 */
export function customKinds(definition: ServedObject): readonly Kind[] {
  const spec = asJson(definition["spec"]);
  const names = asJson(spec["names"]);
  const [group, kind, plural] = [asText(spec["group"]), asText(names["kind"]), asText(names["plural"])];
  if (definition.metadata.name !== `${plural}.${group}` || kind === "") {
    throw new Error(`the definition ${definition.metadata.name} must be named ${plural}.${group}`);
  }
  return asList(spec["versions"])
    .filter((version) => asJson(version)["served"] === true)
    .map((version) => {
      const { name, schema, subresources } = asJson(version);
      const openApi = asJson(asJson(schema)["openAPIV3Schema"]);
      checkSchema(openApi);
      return {
        group,
        version: asText(name),
        kind,
        plural,
        namespaced: spec["scope"] === "Namespaced",
        hasStatus: isJson(asJson(subresources)["status"]),
        isCustom: true,
        updatesBlindly: false,
        createsOnUpdate: false,
        countsGeneration: true,
        fields: META_FIELDS,
        undecodable: missingType,
        normal: (object) => prune(object, openApi),
        // nothing but the status; metadata stays too
        statusUpdate: (object, old) => withField(old, "status", object["status"]),
        check: (object, old) => checkCustom(object, old, openApi),
      };
    });
}

/** The object without fields that its schema does not know, defaults filled in. */
function prune(object: ServedObject, schema: Json): ServedObject {
  const { apiVersion, kind, metadata, ...content } = object;
  return { ...asJson(pruneAndDefault(content, schema)), apiVersion, kind, metadata };
}

/** The conditions that say that a definition is in use. */
export function establishedStatus(time: string): Json {
  const conditions = ["NamesAccepted", "Established"].map((type) => ({
    type,
    status: "True",
    reason: type === "Established" ? "InitialNamesAccepted" : "NoConflicts",
    message: "",
    lastTransitionTime: time,
  }));
  return { conditions };
}

/** Whether anything but metadata and status differs. */
export function hasSpecChanged(object: ServedObject, old: ServedObject): boolean {
  const content = ({ metadata: _m, status: _s, ...rest }: Json): Json => rest;
  return !isDeepStrictEqual(content(object), content(old));
}

function checkCustom(object: ServedObject, old: ServedObject | undefined, schema: Json): readonly Cause[] {
  return [...validateValue(object, schema), ...(old === undefined ? [] : changedParts(object, old, schema))];
}

function missingType(object: ServedObject): string | undefined {
  if (object.kind === "") return `Object 'Kind' is missing in '${JSON.stringify(object)}'`;
  return undefined;
}
