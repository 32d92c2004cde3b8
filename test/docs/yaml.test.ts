import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Ajv } from "ajv";
import { parse, parseAllDocuments } from "yaml";

import { layerAdvice } from "../../controller/doctor/layer-advice.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { documentedValues } from "../chart/values-table.ts";
import { inlineCode, readDocuments, ROOT } from "./documents.ts";
import { codeBlocks, prose } from "./markdown.ts";

const DOCUMENTS = readDocuments();
const VALUES_YAML = readFileSync(`${ROOT}charts/tote/values.yaml`, "utf8");
const VALUES = asObject(parse(VALUES_YAML));
/** Values that the original tote had. */
const GONE = new Set(["serviceMonitor.scrapeTimeout"]);

for (const { path, text } of DOCUMENTS) {
  test(`YAML and JSON in ${path} are well-formed`, () => {
    for (const { language, code, line } of codeBlocks(text)) {
      if (language === "json") assert.doesNotThrow(() => JSON.parse(code), `line ${line}`);
      if (language !== "yaml") continue;
      const problems = parseAllDocuments(code).flatMap(({ errors }) => errors.map(({ message }) => message));
      assert.deepEqual(problems, [], `line ${line}`);
    }
  });
}

test("values of the chart in examples fit its schema", () => {
  const schema: unknown = JSON.parse(readFileSync(`${ROOT}charts/tote/values.schema.json`, "utf8"));
  const check = new Ajv({ strict: false }).compile(asObject(schema));
  let checked = 0;
  for (const { path, text } of DOCUMENTS) {
    for (const { language, code, line } of codeBlocks(text)) {
      const example = language === "yaml" ? asObject(parse(code)) : {};
      const keys = Object.keys(example);
      if (keys.length === 0 || !keys.every((key) => Object.hasOwn(VALUES, key))) continue;
      assert.ok(
        check({ ...VALUES, ...merged(example) }),
        `${path}, line ${line}: ${JSON.stringify(check.errors)}`,
      );
      checked += 1;
    }
  }
  assert.ok(checked >= 2);
});

test("every value of the chart that a document names exists", () => {
  const leaves = documentedValues(VALUES_YAML).map(({ path }) => path);
  for (const { path, text } of DOCUMENTS) {
    const codes = inlineCode(prose(text)).filter((code) => !/\.(?:ts|md|ya?ml|json|crt|key|tar)$/.test(code));
    const named = codes.flatMap(
      (code) => /^([a-z][A-Za-z]*(?:\.[A-Za-z]+)+\*?)(?::|$)/.exec(code)?.[1] ?? [],
    );
    const set = [...text.matchAll(/--set ([A-Za-z.]+)=/g)].map(([, name = ""]) => name);
    for (const name of [...named, ...set]) {
      const [top = ""] = name.split(".");
      if (!Object.hasOwn(VALUES, top) || GONE.has(name)) continue;
      const isKnown = leaves.some((leaf) => {
        if (name.endsWith("*")) return leaf.startsWith(name.slice(0, -1));
        return leaf === name || leaf.startsWith(`${name}.`);
      });
      assert.ok(isKnown, `${path}: ${name}`);
    }
  }
});

test("objects that the documentation names are among those that the chart makes", () => {
  const golden = parseAllDocuments(readFileSync(`${ROOT}test/chart/golden/full.yaml`, "utf8"));
  const made = new Set(
    golden
      .map((document) => asObject(document.toJS()))
      .map(({ kind, metadata }) => `${asText(kind).toLowerCase()}/${asText(asObject(metadata)["name"])}`),
  );
  const kinds = "deployment|daemonset|statefulset|cronjob|job|service|lease";
  let checked = 0;
  for (const { path, text } of DOCUMENTS) {
    const named = text.matchAll(new RegExp(`\\b(${kinds})[ /](tote(?:-[a-z]+)*)\\b`, "g"));
    for (const [, kind = "", name = ""] of named) {
      // the controller makes its Lease itself
      if (kind === "lease") assert.equal(name, "tote-controller", path);
      else assert.ok(made.has(`${kind}/${name}`), `${path}: ${kind}/${name}`);
      checked += 1;
    }
  }
  assert.ok(checked > 10);
});

test("the alerts of the documentation are those of the chart, with their severity", () => {
  const rules = asObject(parse(readFileSync(`${ROOT}charts/tote/files/alerts.yaml`, "utf8")));
  const alerts = asObjects(rules["groups"], 10).flatMap((group) => asObjects(group["rules"], 100));
  const expected = alerts.map(
    ({ alert, labels }) => `${asText(alert)} ${asText(asObject(labels)["severity"])}`,
  );
  const operations = DOCUMENTS.find(({ path }) => path === "docs/operations.md")?.text ?? "";
  const documented = [...operations.matchAll(/^\| `(Tote\w+)` +\| (\w+)/gm)].map(
    ([, a = "", b = ""]) => `${a} ${b}`,
  );
  assert.deepEqual(documented.toSorted(), expected.toSorted());
});

test("the lines that keep layers are those that tote doctor prints", () => {
  const operations = DOCUMENTS.find(({ path }) => path === "docs/operations.md")?.text ?? "";
  const blocks = codeBlocks(operations).filter(({ language }) => language === "toml");
  const documented = blocks.map(({ code }) => code.trim().split("\n"));
  const printed = ["2.1.4", "1.7.24"].map((runtimeVersion) => {
    const node = { name: "a", isReady: true, os: "linux", runtime: "containerd", flavor: "other" } as const;
    const [, ...lines] = layerAdvice({ ...node, runtimeVersion }).split("\n");
    return lines.map((line) => line.trim());
  });
  assert.deepEqual(documented, printed);
});

/** An example put over the defaults, one level deep as helm does for what examples show. */
function merged(example: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(example).map(([key, value]) => [
    key,
    { ...asObject(VALUES[key]), ...asObject(value) },
  ]);
  return Object.fromEntries(entries);
}
