import assert from "node:assert/strict";
import { test } from "node:test";

import { FAILURE_CAUSES } from "../detect/failure.ts";
import { IMAGE_MAX_CHARS, RECORD_MESSAGE_MAX_CHARS, RECORD_PODS_MAX } from "../limits.ts";
import { createRecordValidator, readCrd, recordSchema } from "../testing/crd.ts";
import { digestOf } from "../testing/nodes.ts";
import { checkCrd, CRD_NAME } from "./crd-check.ts";
import { asObject, asObjects, isObject } from "./json.ts";
import { CONDITION_TYPES, RECORD_PHASES, RECORD_PLURAL, TRANSITION_TYPES } from "./salvage-record.ts";

const DIGEST = digestOf("a");
const SPEC = { digest: DIGEST, imageRef: "nginx:1.25", podName: "web-1", targetNode: "node-b" };
const validate = createRecordValidator();

function object(spec: unknown, status: unknown = {}): unknown {
  return { apiVersion: "tote.dev/v1alpha1", kind: "SalvageRecord", metadata: { name: "x" }, spec, status };
}

function schemaAt(...path: readonly string[]): Readonly<Record<string, unknown>> {
  return path.reduce((schema, key) => asObject(asObject(schema)[key]), recordSchema());
}

test("the definition has the names that the code uses, and is not older than it needs", () => {
  const crd = asObject(readCrd());
  assert.equal(asObject(crd["metadata"])["name"], CRD_NAME);
  assert.equal(asObject(asObject(crd["spec"])["names"])["plural"], RECORD_PLURAL);
  assert.deepEqual(checkCrd(crd), { kind: "current" });
});

test("the columns of the original are there, and progress", () => {
  const [version] = asObjects(asObject(asObject(readCrd())["spec"])["versions"], 1);
  const columns = asObjects(version?.["additionalPrinterColumns"], 20);
  const shown = columns.filter(({ priority }) => priority === undefined).map(({ name }) => name);
  assert.deepEqual(shown, ["Digest", "Source", "Target", "Phase", "Progress", "Reason", "Age"]);
});

test("words of the schema are those of the code", () => {
  const status = ["properties", "status", "properties"];
  const transition = [...status, "transitions", "items", "properties", "type"];
  const condition = [...status, "conditions", "items", "properties", "type"];
  assert.deepEqual(schemaAt(...status, "phase")["enum"], [...RECORD_PHASES]);
  assert.deepEqual(schemaAt(...status, "cause")["enum"], [...FAILURE_CAUSES]);
  assert.deepEqual(schemaAt(...status, "origin", "properties", "cause")["enum"], [...FAILURE_CAUSES]);
  assert.deepEqual(schemaAt(...transition)["enum"], [...TRANSITION_TYPES]);
  assert.deepEqual(schemaAt(...condition)["enum"], [...CONDITION_TYPES]);
});

test("bounds of the schema are those of the code", () => {
  assert.equal(schemaAt("properties", "spec", "properties", "imageRef")["maxLength"], IMAGE_MAX_CHARS);
  const status = ["properties", "status", "properties"];
  assert.equal(schemaAt(...status, "message")["maxLength"], RECORD_MESSAGE_MAX_CHARS);
  assert.equal(schemaAt(...status, "pods")["maxItems"], RECORD_PODS_MAX);
});

test("the schema is structural and uses nothing that Kubernetes 1.20 lacks", () => {
  const words =
    "anyOf description enum format items maxItems maxLength minLength minimum pattern properties required type";
  const allowed = new Set(words.split(" "));
  const walk = (schema: unknown, path: string): void => {
    assert.ok(isObject(schema), path);
    assert.equal(typeof schema["type"], "string", `${path} has no type`);
    for (const key of Object.keys(schema)) assert.ok(allowed.has(key), `${path}.${key}`);
    if (schema["type"] === "array") walk(schema["items"], `${path}[]`);
    for (const [name, child] of Object.entries(asObject(schema["properties"])))
      walk(child, `${path}.${name}`);
    for (const name of Array.isArray(schema["required"]) ? schema["required"] : []) {
      assert.ok(
        asObject(schema["properties"])[String(name)] !== undefined,
        `${path} requires ${String(name)}`,
      );
    }
    if (schema["type"] === "string" && !path.endsWith("apiVersion") && !path.endsWith("kind")) {
      const bounds = ["maxLength", "enum", "format", "pattern"].filter((key) => schema[key] !== undefined);
      assert.ok(bounds.length > 0, `${path} has no bound`);
    }
    if (schema["type"] === "array") assert.ok(schema["maxItems"] !== undefined, `${path} has no bound`);
  };
  walk(recordSchema(), "");
});

const GOOD: readonly (readonly [string, unknown])[] = [
  ["a record of the controller", SPEC],
  ["an order by name", { imageRef: "nginx:1.25", targetNode: "node-b" }],
  ["an order by digest", { digest: DIGEST, targetNode: "ip-10-0-0-1.eu-west-1.compute.internal" }],
  ["a record of the original", { ...SPEC, sourceNode: "node-a" }],
  ["a name that is no legal image", { imageRef: "UPPER::x…", targetNode: "n" }],
];

for (const [what, spec] of GOOD) {
  test(`${what} is taken`, () => {
    assert.deepEqual(validate(object(spec)), []);
  });
}

const BAD: readonly (readonly [string, unknown, unknown, RegExp])[] = [
  ["without a target", { imageRef: "x" }, {}, /targetNode/],
  ["without image and digest", { targetNode: "n" }, {}, /imageRef|digest/],
  ["with a short digest", { ...SPEC, digest: "sha256:abc" }, {}, /pattern/],
  ["with an upper-case digest", { ...SPEC, digest: DIGEST.toUpperCase() }, {}, /pattern/],
  ["with a target that is no node name", { ...SPEC, targetNode: "../b" }, {}, /pattern/],
  ["with an endless image", { ...SPEC, imageRef: "x".repeat(1025) }, {}, /1024/],
  ["with an empty image", { ...SPEC, imageRef: "" }, {}, /fewer/],
  ["with an unknown phase", SPEC, { phase: "Done" }, /enum|allowed values/],
  ["with negative bytes", SPEC, { bytesTotal: -1 }, />= 0/],
  ["with 21 pods", SPEC, { pods: Array.from({ length: 21 }, () => ({ name: "a", uid: "b" })) }, /20/],
  [
    "with an unknown transition",
    SPEC,
    { transitions: [{ type: "x", time: "2026-08-01T10:00:00Z", notified: true }] },
    /allowed values/,
  ],
  ["with a time that is none", SPEC, { completedAt: "yesterday" }, /date-time/],
  ["with a plan without names", SPEC, { plan: { digest: DIGEST, targetNode: "b" } }, /names/],
];

for (const [what, spec, status, reason] of BAD) {
  test(`a record ${what} is refused`, () => {
    assert.match(validate(object(spec, status)).join("; "), reason);
  });
}

const CRDS: readonly (readonly [string, unknown, RegExp])[] = [
  [
    "the original's, without a number",
    { spec: { versions: [{ name: "v1alpha1", served: true }] } },
    /version 1, .* needs 2: kubectl apply --server-side/,
  ],
  ["with an odd number", { metadata: { annotations: { "tote.dev/schema": "x" } } }, /unknown version/],
  ["nothing at all", undefined, /version 1/],
  [
    "one that does not serve",
    { metadata: { annotations: { "tote.dev/schema": "2" } }, spec: { versions: [{ name: "v1alpha1" }] } },
    /does not serve/,
  ],
  [
    "one without status",
    {
      metadata: { annotations: { "tote.dev/schema": "2" } },
      spec: { versions: [{ name: "v1alpha1", served: true }] },
    },
    /no status/,
  ],
];

for (const [what, crd, reason] of CRDS) {
  test(`an old definition is told with the command to apply: ${what}`, () => {
    const check = checkCrd(crd);
    assert.match(check.kind === "older" ? check.message : "", reason);
    assert.match(check.kind === "older" ? check.message : "", /-f charts\/tote\/crds\/salvagerecords\.yaml$/);
  });
}

test("a newer definition is current", () => {
  const versions = [{ name: "v1alpha1", served: true, subresources: { status: {} } }];
  const newer = { metadata: { annotations: { "tote.dev/schema": "9" } }, spec: { versions } };
  assert.deepEqual(checkCrd(newer), { kind: "current" });
});
