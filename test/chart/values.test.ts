import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";

import { Ajv } from "ajv";
import { parse } from "yaml";

import { asObject } from "../../controller/objects/json.ts";
import { run } from "../harness/run.ts";
import { CommandError } from "../harness/run.ts";
import { CHART, renderText, type Json } from "./helm.ts";
import { documentedValues, valuesTable, withTable } from "./values-table.ts";
import { VALUE_SETS } from "./value-sets.ts";

const text = (name: string): string => readFileSync(join(CHART, name), "utf8");
const schema: Json = asObject(JSON.parse(text("values.schema.json")));

void suite("values of the chart", () => {
  const validate = new Ajv({ allErrors: true }).compile(schema);
  const isValid = (values: object): boolean => validate(values);

  void test("every value is documented", () => {
    const values = documentedValues(text("values.yaml"));
    assert.ok(values.length > 100);
    assert.deepEqual(
      values.filter((value) => value.text === ""),
      [],
    );
  });

  void test("the schema knows the values that there are, describes them alike, and no others", () => {
    const described = new Map<string, unknown>();
    collect(schema, "", described);
    described.delete("global");
    const documented = new Map(
      documentedValues(text("values.yaml")).map((value) => [value.path, value.text]),
    );
    assert.deepEqual(described, documented);
  });

  void test("the README has the values as they are", async () => {
    const readme = text("README.md");
    const wanted = withTable(readme, valuesTable(text("values.yaml")));
    const { stdout } = await run("prettier", ["--stdin-filepath", join(CHART, "README.md")], {
      input: wanted,
    });
    assert.equal(readme, stdout, "node test/chart/update-golden.ts");
  });

  void test("the defaults and what the tests render are valid", () => {
    for (const [name, values] of Object.entries({
      ...VALUE_SETS,
      defaults: asObject(parse(text("values.yaml"))),
    })) {
      assert.ok(isValid(values), `${name}: ${JSON.stringify(validate.errors)}`);
    }
  });

  const wrong: Readonly<Record<string, object>> = {
    "a typo at the top": { replicas: 2 },
    "a typo further down": { agent: { grpcprot: 1 } },
    "a typo in tls.secretNames": { tls: { secretNames: { controler: "x" } } },
    "text for a number": { replicaCount: "two" },
    "a number for text": { image: { tag: 1.2 } },
    "text for a boolean": { tls: { enabled: "false" } },
    "a port that is none": { agent: { grpcPort: 70_000 } },
    "a duration without a unit": { controller: { sessionTTL: "300" } },
    "a size that is none": { relay: { maxDbSize: "much" } },
    "a word that is not allowed": { controller: { imageAuthorization: "never" } },
    "a runtime that nobody knows": { agent: { runtime: "cri-o" } },
    "an event that does not exist": { notifications: { events: ["deleted"] } },
    "an event that does not exist, among others": { notifications: { events: "detected,deleted" } },
    "a digest that is cut": { image: { digest: "sha256:abc" } },
    "a CIDR without a mask": { networkPolicy: { apiServer: { cidrs: ["10.0.0.1"] } } },
    "an interval that Prometheus does not read": { serviceMonitor: { interval: "1.5m" } },
    "certificates that end before a look or two": { tls: { days: 6 } },
    "a list for a mapping": { nodeSelector: ["a"] },
    "a subscription without a type": { relay: { subscriptions: [{ name: "a" }] } },
  };
  for (const [what, values] of Object.entries(wrong)) {
    void test(`${what} is refused`, () => assert.equal(isValid(values), false));
  }

  void test("helm checks the schema, too", async () => {
    await assert.rejects(renderText({ agent: { grpcprot: 1 } }), (error: unknown) => {
      return error instanceof CommandError && /grpcprot/.test(error.stderr);
    });
  });
});

/** Descriptions of the leaves: what has one is a value. */
function collect(part: Json, path: string, into: Map<string, unknown>): void {
  for (const [name, value] of Object.entries(asObject(part["properties"]))) {
    const below = asObject(value);
    const own = path === "" ? name : `${path}.${name}`;
    if (below["description"] !== undefined) into.set(own, below["description"]);
    else collect(below, own, into);
  }
}
