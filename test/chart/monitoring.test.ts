import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { parse, stringify } from "yaml";

import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { CHART, find, render, type Json } from "./helm.ts";
import { VALUE_SETS } from "./value-sets.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ALERTS = join(CHART, "files", "alerts.yaml");
const SERVICES = ["agent", "controller", "lib", "webhook-relay"];

/** The original's alerts, whose names people route by, and ours. */
const ALERT_NAMES = [
  "ToteCertificateExpiring warning",
  "ToteControllerDown critical",
  "ToteImagePullFailureDetected warning",
  "ToteInsecure warning",
  "ToteNoSalvageableImages warning",
  "ToteNotActionableSpike warning",
  "ToteNotActionableSustained critical",
  "ToteNotRecovered critical",
  "ToteRelayBacklog warning",
  "ToteRelayConfigReloadFailed warning",
  "ToteRelayDeadLetters warning",
  "ToteRelayStoreNotWritable critical",
  "ToteRelayStoreSetAside warning",
  "ToteRelaySubscriptionDisabled warning",
  "ToteSalvageFailing critical",
  "ToteSalvageOccurred warning",
  "ToteWatchStale warning",
];

void suite("alerts and dashboard", () => {
  const alerts = asObjects(asObject(parse(readFileSync(ALERTS, "utf8")))["groups"], 9).flatMap((group) =>
    asObjects(group["rules"], 99),
  );
  const dashboard = asObject(JSON.parse(readFileSync(join(CHART, "files", "dashboard.json"), "utf8")));

  void test("the alerts have the original's names and severities", () => {
    const found = alerts.map(
      ({ alert, labels }) => `${asText(alert)} ${asText(asObject(labels)["severity"])}`,
    );
    assert.deepEqual(found.sort(), ALERT_NAMES);
  });

  void test("promtool takes the alerts, as files and as they are rendered for another release", async (t) => {
    await run("promtool", ["check", "rules", ALERTS]);
    const manifests = await render({ ...VALUE_SETS["full"], fullnameOverride: "other" });
    const spec = find(manifests, "PrometheusRule", "other")["spec"];
    const path = join(createCleanup(t).directory(), "rules.yaml");
    await writeFile(path, stringify(spec));
    await run("promtool", ["check", "rules", path]);
    const text = JSON.stringify(spec);
    assert.match(text, /up\{job=\\"other-metrics\\"\}/);
    assert.doesNotMatch(text, /tote-metrics/);
  });

  void test("they fire when they should, and not otherwise, an outage of two hours included", async () => {
    const tests = fileURLToPath(new URL("alerts.test.yaml", import.meta.url));
    await run("promtool", ["test", "rules", tests]);
    const text = readFileSync(tests, "utf8");
    for (const { alert } of alerts) {
      const times = text.split(`alertname: ${asText(alert)}`).length - 1;
      assert.ok(times >= 2, `${asText(alert)} must be seen silent and firing`);
    }
  });

  void test("every metric that alerts and dashboard ask for exists", () => {
    const known = metricsInSources();
    for (const query of [...alerts.map(({ expr }) => asText(expr)), ...queries(dashboard)]) {
      const asked = [...query.matchAll(/\btote_[a-z_]+/g)].map(([name]) => name);
      assert.ok(asked.length > 0 || query.includes("up{"), query);
      for (const name of asked) {
        assert.ok(
          known.has(name.replace(/_(?:bucket|sum|count)$/, "")) || known.has(name),
          `${name} in ${query}`,
        );
      }
    }
  });

  void test("the dashboard's queries are PromQL, and its panels do not overlap", async (t) => {
    const found = queries(dashboard);
    assert.ok(found.length > 25);
    const rules = found.map((expr, at) => ({ record: `test:query${at}`, expr }));
    const path = join(createCleanup(t).directory(), "queries.yaml");
    await writeFile(path, stringify({ groups: [{ name: "dashboard", rules }] }));
    await run("promtool", ["check", "rules", path]);
    const taken = new Set<string>();
    for (const { gridPos } of asObjects(dashboard["panels"], 99)) {
      const { x, y, w, h } = asObject(gridPos);
      for (let column = Number(x); column < Number(x) + Number(w); column += 1) {
        for (let line = Number(y); line < Number(y) + Number(h); line += 1) {
          const cell = `${column},${line}`;
          assert.ok(column < 24 && !taken.has(cell), cell);
          taken.add(cell);
        }
      }
    }
  });

  void test("salvages, failures and changes of leader are marked in all panels", () => {
    const marks = asObjects(asObject(dashboard["annotations"])["list"], 9).map(({ name }) => name);
    assert.deepEqual(marks, ["Salvaged", "Salvage failed", "Leader changed"]);
  });

  void test("the monitors find the ports and pods that there are", async () => {
    const manifests = await render(VALUE_SETS["full"]);
    const service = asObject(find(manifests, "Service", "tote-metrics")["spec"]);
    const monitor = asObject(find(manifests, "ServiceMonitor", "tote")["spec"]);
    assert.deepEqual(asObject(monitor["selector"])["matchLabels"], service["selector"]);
    for (const component of ["agent", "relay"]) {
      const spec = asObject(find(manifests, "PodMonitor", `tote-${component}`)["spec"]);
      const kind = component === "agent" ? "DaemonSet" : "StatefulSet";
      const workload = asObject(find(manifests, kind, `tote-${component}`)["spec"]);
      assert.deepEqual(spec["selector"], workload["selector"]);
      assert.equal(asObjects(spec["podMetricsEndpoints"], 1)[0]?.["port"], "metrics");
    }
  });
});

/** Every expression of panels and annotations. */
function queries(dashboard: Json): readonly string[] {
  const panels = asObjects(dashboard["panels"], 99).flatMap(({ targets }) => asObjects(targets, 99));
  const marks = asObjects(asObject(dashboard["annotations"])["list"], 9);
  return [...panels, ...marks].map(({ expr }) => asText(expr));
}

/** Names of metrics in the services' sources. */
function metricsInSources(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const service of SERVICES) {
    for (const file of readdirSync(join(ROOT, service), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      const text = readFileSync(join(ROOT, service, file), "utf8");
      for (const [, name = ""] of text.matchAll(/"(tote_[a-z_]+)"/g)) names.add(name);
    }
  }
  return names;
}
