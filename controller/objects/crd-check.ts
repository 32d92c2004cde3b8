/** How the installed definition of SalvageRecord compares with the one this version needs. */

import { asObject, asObjects, asText } from "./json.ts";

/** Name of the definition. */
export const CRD_NAME = "salvagerecords.tote.dev";
/** Annotation with the number of the schema; the original tote's definition has none. */
export const CRD_SCHEMA_ANNOTATION = "tote.dev/schema";
/** Number of the schema that this version writes; grows when a field is added. */
export const CRD_SCHEMA = 2;

/** The command that brings the definition up to date; helm does not upgrade it, and owns what it has installed. */
export const CRD_APPLY_COMMAND =
  "kubectl apply --server-side --force-conflicts -f charts/tote/crds/salvagerecords.yaml";

/** What was found. */
export type CrdCheck =
  | { readonly kind: "current" }
  /** records cannot be written as they should be; `message` says what to do */
  | { readonly kind: "older"; readonly message: string };

/** Checks the definition as the API server sends it. A newer one is current: fields are only ever added. Pure. */
export function checkCrd(raw: unknown): CrdCheck {
  const crd = asObject(raw);
  const annotations = asObject(asObject(crd["metadata"])["annotations"]);
  const schema = Number(asText(annotations[CRD_SCHEMA_ANNOTATION]) || "1");
  if (!(schema >= CRD_SCHEMA)) {
    const found = Number.isNaN(schema) ? "of an unknown version" : `of version ${schema}`;
    return older(`the definition ${CRD_NAME} is ${found}, this tote needs ${CRD_SCHEMA}`);
  }
  const version = asObjects(asObject(crd["spec"])["versions"], 16).find(({ name }) => name === "v1alpha1");
  if (version?.["served"] !== true) return older(`the definition ${CRD_NAME} does not serve v1alpha1`);
  if (asObject(version["subresources"])["status"] === undefined) {
    return older(`the definition ${CRD_NAME} has no status subresource`);
  }
  return { kind: "current" };
}

/** What to say where there is none. */
export function missingCrd(): Extract<CrdCheck, { readonly kind: "older" }> {
  return older(`the definition ${CRD_NAME} is not installed`);
}

function older(message: string): Extract<CrdCheck, { readonly kind: "older" }> {
  return { kind: "older", message: `${message}: ${CRD_APPLY_COMMAND}` };
}
