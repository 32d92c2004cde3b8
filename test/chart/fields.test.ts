import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { dumpYaml, loadYaml } from "@kubernetes/client-node";
import { parse, stringify } from "yaml";

import { asObject } from "../../controller/objects/json.ts";
import { typeMistakes } from "./field-types.ts";
import { find, render, type Manifest } from "./helm.ts";
import { VALUE_SETS } from "./value-sets.ts";

/** Kinds of others, which Kubernetes has no types of. */
const FOREIGN = /^(?:monitoring\.coreos\.com|cert-manager\.io)\//;

/** What is left of an object when it was read and written by the types of the Kubernetes API: no field that it lacks. */
function asTyped(json: object): unknown {
  return parse(dumpYaml(loadYaml(stringify(json))));
}

void suite("fields of the rendered objects", () => {
  const rendered = new Map<string, readonly Manifest[]>();
  before(async () => {
    for (const [name, values] of Object.entries(VALUE_SETS)) rendered.set(name, await render(values));
  });

  void test("the API of Kubernetes has every field that is set, where it is set", () => {
    let count = 0;
    for (const [values, manifests] of rendered) {
      for (const { kind, name, json } of manifests) {
        if (FOREIGN.test(String(json["apiVersion"]))) continue;
        assert.deepEqual(withoutEmpty(asTyped(json)), withoutEmpty(json), `${kind} ${name} with "${values}"`);
        count += 1;
      }
    }
    assert.ok(count > 200, `${count} objects`);
  });

  void test("every field has a value of its type", () => {
    for (const [values, manifests] of rendered) {
      for (const { kind, name, json } of manifests) {
        if (FOREIGN.test(String(json["apiVersion"]))) continue;
        assert.deepEqual(typeMistakes(loadYaml(stringify(json))), [], `${kind} ${name} with "${values}"`);
      }
    }
  });

  void test("a value of another type would be seen", () => {
    const deployment = find(rendered.get("default") ?? [], "Deployment", "tote");
    const spec = { ...asObject(deployment["spec"]), replicas: "2" };
    const labels = { app: 1 };
    const spoilt = { ...deployment, spec, metadata: { ...asObject(deployment["metadata"]), labels } };
    assert.deepEqual(typeMistakes(loadYaml(stringify(spoilt))), [
      "metadata.labels.app: string, not number",
      "spec.replicas: number, not string",
    ]);
  });

  void test("a field that does not exist would be seen", () => {
    const deployment = find(rendered.get("default") ?? [], "Deployment", "tote");
    const spec = { ...asObject(deployment["spec"]), replica: 2 };
    assert.notDeepEqual(
      withoutEmpty(asTyped({ ...deployment, spec })),
      withoutEmpty({ ...deployment, spec }),
    );
  });
});

/** Without fields that have no value: writing leaves them out. */
function withoutEmpty(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, inner: unknown) => (inner === null ? undefined : inner));
  return JSON.parse(text) as unknown;
}
