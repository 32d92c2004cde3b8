import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parse } from "yaml";

import { asObjects, asTexts } from "./objects/json.ts";

function rules(file: string): readonly string[] {
  const url = new URL(`../charts/tote/files/${file}`, import.meta.url);
  return asObjects(parse(readFileSync(url, "utf8")), 100).flatMap((rule) => {
    const names = asTexts(rule["resourceNames"], 100);
    assert.deepEqual(
      Object.keys(rule).filter((key) => key !== "resourceNames"),
      ["apiGroups", "resources", "verbs"],
    );
    return asTexts(rule["apiGroups"], 100).flatMap((group) =>
      asTexts(rule["resources"], 100).map((resource) =>
        [group, resource, asTexts(rule["verbs"], 100).join("+"), ...names].join(" "),
      ),
    );
  });
}

test("in the cluster the controller may do this and nothing else", () => {
  assert.deepEqual(rules("cluster-role.yaml"), [
    " nodes get+list+watch",
    " namespaces get+list+watch",
    " pods get+list+watch",
    " pods/status patch",
    "apps replicasets get",
    "apps deployments get",
    "apps statefulsets get",
    "apps daemonsets get",
    "batch jobs get",
    "batch cronjobs get",
    "tote.dev salvagerecords get+list+watch+create+delete",
    "tote.dev salvagerecords/status update",
    "events.k8s.io events get+list+watch+create+patch",
    "apiextensions.k8s.io customresourcedefinitions get salvagerecords.tote.dev",
  ]);
});

test("in its namespace it may hold one Lease", () => {
  assert.deepEqual(rules("role.yaml"), [
    "coordination.k8s.io leases create",
    "coordination.k8s.io leases get+update tote-controller",
  ]);
});

test("secrets, pods' specs and deletions of pods are out of reach", () => {
  const all = [...rules("cluster-role.yaml"), ...rules("role.yaml")].join("\n");
  assert.ok(!/secrets|\*|impersonate|escalate|bind/.test(all));
  assert.ok(!/^ pods .*(?:delete|patch|update|create)/m.test(all));
});
