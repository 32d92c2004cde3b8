import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";

import { APART, WAITS, allSuites, chooseSuites, MEMORY_ONLY, NODELESS, planSuites } from "./suites.ts";

const SUITES = ["control", "outage", "rights"].map((name) => ({ name, files: [`${name}.ts`] }));
const namesOf = (suites: readonly { readonly name: string }[]): readonly string[] =>
  suites.map(({ name }) => name);

test("all suites run unless somebody names some", () => {
  assert.deepEqual(namesOf(chooseSuites(SUITES, [], false)), ["control", "outage", "rights"]);
  assert.deepEqual(namesOf(chooseSuites(SUITES, ["rights", "outage"], false)), ["rights", "outage"]);
  assert.throws(
    () => chooseSuites(SUITES, ["outrage"], false),
    /no suite "outrage": there are control, outage/,
  );
});

test("a cluster of others gets those that need no nodes, and a suite that needs them is refused", () => {
  assert.deepEqual(namesOf(chooseSuites(SUITES, [], true)), ["rights"]);
  assert.throws(
    () => chooseSuites(SUITES, ["outage"], true),
    /suite "outage" needs .*unset KUBECONFIG, or use rights/,
  );
  assert.throws(() => chooseSuites(SUITES, ["outrage"], true), /no suite "outrage"/);
});

test("suites that leave the cluster alone run while another one waits, all else one after the other", () => {
  const plan = (...names: readonly string[]): unknown =>
    planSuites(names.map((name) => ({ name, files: [] }))).map((step) => step.map(namesOf));
  assert.deepEqual(plan("chart", "collection", "control", "outage", "timeline", "webhook"), [
    [["collection"], ["chart", "control", "webhook"]],
    [["outage"]],
    [["timeline"]],
  ]);
  assert.deepEqual(plan("timeline", "control"), [[["timeline"]], [["control"]]]);
  assert.deepEqual(plan("collection", "outage"), [[["collection"]], [["outage"]]]);
});

test("tests of the controller run on the real API server, but for those that cannot", async () => {
  const control = (await allSuites()).find(({ name }) => name === "control");
  const files = new Set((control?.files ?? []).map((file) => basename(file)));
  for (const file of ["situations.test.ts", "restarts.test.ts", "silent-failures.test.ts"]) {
    assert.ok(files.has(file), file);
  }
  // the second has a simulated rig
  for (const file of ["leaders.test.ts", "limits.test.ts"]) assert.ok(!files.has(file), file);
});

test("what is named as a suite or left out of one is there", async () => {
  const all = await allSuites();
  for (const name of [...NODELESS, ...APART, WAITS]) assert.ok(namesOf(all).includes(name), name);
  for (const [file, reason] of MEMORY_ONLY) {
    assert.ok(existsSync(new URL(`../control/${file}`, import.meta.url)), file);
    assert.ok(reason.length > 10, `${file}: ${reason}`);
  }
});
