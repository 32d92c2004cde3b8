import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, suite, test } from "node:test";

import { Ajv, type ValidateFunction } from "ajv";

import { asObject, asObjects } from "../../controller/objects/json.ts";
import { render, type Json, type Manifest } from "./helm.ts";
import { VALUE_SETS } from "./value-sets.ts";

/** Kinds that no API server has without the Prometheus Operator or cert-manager. */
const KINDS = ["ServiceMonitor", "PodMonitor", "PrometheusRule", "Issuer", "Certificate"] as const;
const SETS: Readonly<Record<string, object>> = {
  ...VALUE_SETS,
  certManagerWithAll: {
    tls: { certManager: { enabled: true, duration: "48h", renewBefore: "16h" }, operator: true },
    webhook: { enabled: true },
    notifications: { webhookUrl: "https://hook.example/" },
    serviceMonitor: { enabled: true, interval: "1m30s" },
    prometheusRule: { enabled: true, labels: { release: "prometheus" } },
  },
};

/** What the chart may use of each kind is written in schemas/: fields that are there, their types, and no others. */
void suite("objects for the Prometheus Operator and cert-manager", () => {
  const schemas = new Map<string, ValidateFunction>();
  const objects: Manifest[] = [];
  before(async () => {
    const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false });
    for (const kind of KINDS) {
      const text = readFileSync(new URL(`schemas/${kind}.json`, import.meta.url), "utf8");
      schemas.set(kind, ajv.compile(asObject(JSON.parse(text))));
    }
    for (const values of Object.values(SETS)) {
      objects.push(...(await render(values)).filter(({ kind }) => schemas.has(kind)));
    }
  });

  const mistakes = (kind: string, json: Json): string => {
    const validate = schemas.get(kind);
    assert.ok(validate !== undefined, kind);
    return validate(json) ? "" : JSON.stringify(validate.errors);
  };

  const first = (kind: string): Json => objects.find((one) => one.kind === kind)?.json ?? {};

  for (const kind of KINDS) {
    void test(`every ${kind} has the fields that there are, with the right types`, () => {
      const own = objects.filter((one) => one.kind === kind);
      assert.ok(own.length > 0, "there is one");
      for (const { name, json } of own) assert.equal(mistakes(kind, json), "", name);
    });

    void test(`one ${kind} with a field that does not exist, or without its spec, would be seen`, () => {
      const json = first(kind);
      const spec = asObject(json["spec"]);
      assert.match(mistakes(kind, { ...json, spec: { ...spec, selectors: {} } }), /additionalProperties/);
      assert.match(mistakes(kind, { ...json, spec: {} }), /required|minProperties/);
      assert.match(mistakes(kind, { ...json, apiVersion: "v1" }), /const/);
    });
  }

  void test("values of the wrong type would be seen", () => {
    const spoilt = (kind: string, change: (spec: Json) => Json): string => {
      const json = first(kind);
      return mistakes(kind, { ...json, spec: change(asObject(json["spec"])) });
    };
    const [endpoint = {}] = asObjects(asObject(first("ServiceMonitor")["spec"])["endpoints"], 9);
    const withEndpoint = (more: object) => (spec: Json) => ({
      ...spec,
      endpoints: [{ ...endpoint, ...more }],
    });
    assert.match(spoilt("ServiceMonitor", withEndpoint({ port: 8080 })), /type/);
    assert.match(spoilt("ServiceMonitor", withEndpoint({ interval: "1.5m" })), /pattern/);
    assert.match(
      spoilt("Certificate", (spec) => ({ ...spec, duration: 90 })),
      /type/,
    );
    assert.match(
      spoilt("Certificate", (spec) => ({ ...spec, issuerRef: "tote" })),
      /type/,
    );
    assert.match(
      spoilt("PrometheusRule", (spec) => ({ ...spec, groups: {} })),
      /type/,
    );
  });
});
