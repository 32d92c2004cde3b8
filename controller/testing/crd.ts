/** The definition of SalvageRecord in the chart, and a validator for records. */

import { readFileSync } from "node:fs";

import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";

import { parseObject } from "../../test/harness/apiserver/server.ts";
import type { ObjectInput } from "../../test/harness/apiserver/types.ts";
import { asObject, asObjects } from "../objects/json.ts";

/** The definition as it would be sent to the API server. */
export function readCrd(): unknown {
  return parse(readFileSync(new URL("../../charts/tote/crds/salvagerecords.yaml", import.meta.url), "utf8"));
}

/** The same as an API server of tests takes it. */
export function parseCrd(): ObjectInput {
  return parseObject(JSON.stringify(readCrd()));
}

/** The schema of v1alpha1. */
export function recordSchema(): Readonly<Record<string, unknown>> {
  const [version] = asObjects(asObject(asObject(readCrd())["spec"])["versions"], 1);
  return asObject(asObject(version?.["schema"])["openAPIV3Schema"]);
}

/** Says what the schema has against a record: paths and rules, empty when it is fine. */
export function createRecordValidator(): (record: unknown) => readonly string[] {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(recordSchema());
  return (record) => {
    validate(record);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
  };
}
