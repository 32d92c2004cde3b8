import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { asObject } from "../../controller/objects/json.ts";
import { environmentName } from "../../lib/flags.ts";
import { CONTROLLER_FLAGS } from "../bench/controller/controller.ts";
import { RELAY_FLAGS } from "../bench/relay/relay.ts";
import { TRANSFER_FLAGS } from "../bench/transfer.ts";
import { COMMANDS } from "./commands.ts";
import { inlineCode, readDocuments, ROOT } from "./documents.ts";
import { metricNames, SERVICES } from "./metrics-table.ts";

const DOCUMENTS = readDocuments();
const FLAGS = new Set([...COMMANDS.flatMap(({ flags }) => Object.keys(flags)), "help"]);
/** Flags of other programs that are named on their own. */
const FOREIGN = new Set([
  ...Object.keys({ ...TRANSFER_FLAGS, ...CONTROLLER_FLAGS, ...RELAY_FLAGS }),
  "fail-with-body",
  "max-semi-space-size",
  "reuse-values",
]);
const METRICS = new Set(SERVICES.flatMap(metricNames));

/** Whether a name is known; one that ends in "*" when anything known begins so. */
function isKnown(known: ReadonlySet<string>, name: string): boolean {
  if (!name.endsWith("*")) return known.has(name);
  return [...known].some((one) => one.startsWith(name.slice(0, -1)));
}

test("every script of npm that a document names exists", () => {
  const manifest = asObject(JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")));
  const scripts = asObject(manifest["scripts"]);
  for (const { path, text } of DOCUMENTS) {
    for (const [, name = ""] of text.matchAll(/npm run (?:--silent )?([a-z][a-z:-]*)/g)) {
      assert.ok(Object.hasOwn(scripts, name), `${path}: npm run ${name}`);
    }
  }
});

test("every flag that a document names exists", () => {
  for (const { path, text } of DOCUMENTS) {
    for (const code of inlineCode(text)) {
      const [, name] = /^--([a-z][a-z0-9-]*\*?)/.exec(code) ?? [];
      if (name === undefined) continue;
      assert.ok(isKnown(FLAGS, name) || FOREIGN.has(name), `${path}: --${name}`);
    }
  }
});

test("every variable of the environment that a document names exists", () => {
  const known = new Set([...FLAGS].map(environmentName));
  for (const { path, text } of DOCUMENTS) {
    for (const [name] of text.matchAll(/\bTOTE_[A-Z_]*[A-Z]\b/g)) {
      // those of the tests are for contributors
      if (path === "CONTRIBUTING.md") continue;
      assert.ok(known.has(name), `${path}: ${name}`);
    }
  }
});

test("every metric that a document names exists", () => {
  for (const { path, text } of DOCUMENTS) {
    for (const [name] of text.matchAll(/\btote_[a-z0-9_]+\*?/g)) {
      const base = name.replace(/_(?:bucket|sum|count)$/, "");
      assert.ok(isKnown(METRICS, name) || METRICS.has(base), `${path}: ${name}`);
    }
  }
});

test("every metric in the code is in the tables of the documentation", () => {
  const sources = ["lib", "agent", "controller", "webhook-relay"].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .map((name) => readFileSync(`${ROOT}${folder}/${name}`, "utf8")),
  );
  const named = sources.flatMap((text) =>
    [...text.matchAll(/"(tote_[a-z_]+)"/g)].map(([, name = ""]) => name),
  );
  assert.ok(named.length > 50);
  assert.deepEqual(
    [...new Set(named)].filter((name) => !METRICS.has(name)),
    [],
  );
});

test("every reason of a record that ends otherwise than well is in the tables of the documentation", () => {
  const files = ["salvage/reasons.ts", "detect/disposition.ts", "detect/opt-in.ts"];
  const code = files.map((file) => readFileSync(`${ROOT}controller/${file}`, "utf8")).join("\n");
  const reasons = [...code.matchAll(/^ *(?:\| )?.*\| "([A-Z][A-Za-z]+)"/gm)].map(([, reason = ""]) => reason);
  const document = DOCUMENTS.filter(({ path }) => /troubleshooting|SKILL/.test(path)).map(({ text }) => text);
  const known = new Set(document.flatMap(inlineCode));
  assert.ok(reasons.length > 25, String(reasons.length));
  assert.deepEqual(
    reasons.filter((reason) => !known.has(reason)),
    [],
  );
});
