import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { asObject, asObjects, asTexts } from "../../controller/objects/json.ts";
import { find, parseManifests, render, renderText, type Manifest } from "./helm.ts";
import { VALUE_SETS } from "./value-sets.ts";

void suite("what an installation makes first and an uninstallation leaves", () => {
  const rendered = new Map<string, readonly Manifest[]>();
  before(async () => {
    for (const [name, values] of Object.entries(VALUE_SETS)) rendered.set(name, await render(values));
  });

  const of = (name: string): readonly Manifest[] => rendered.get(name) ?? [];

  void test("certificates are made before anything is installed, and by somebody who may do nothing else", () => {
    const manifests = of("default");
    const hooks = (kind: string, name: string): unknown =>
      asObject(asObject(find(manifests, kind, name)["metadata"])["annotations"])["helm.sh/hook"];
    const beforeAll = "pre-install,pre-upgrade,pre-rollback";
    assert.equal(hooks("Job", "tote-certs-hook"), beforeAll);
    for (const kind of ["ServiceAccount", "Role", "RoleBinding"]) {
      assert.equal(hooks(kind, "tote-certs-hook"), beforeAll);
      assert.equal(hooks(kind, "tote-certs-remove"), "post-delete");
    }
    assert.ok(!manifests.some(({ kind, name }) => kind === "ClusterRole" && name.includes("certs")));
    assert.ok(of("full").some(({ kind, name }) => kind === "ClusterRole" && name === "tote-certs-hook"));
    for (const name of ["certManager", "ownSecrets"]) {
      assert.ok(!of(name).some(({ kind }) => kind === "CronJob"), name);
    }
  });

  void test("what Helm does not know of is removed however certificates are made, by whom may do nothing else", () => {
    for (const [name, manifests] of rendered) {
      const spec = asObject(find(manifests, "Job", "tote-certs-remove")["spec"]);
      const pod = asObject(asObject(spec["template"])["spec"]);
      assert.equal(pod["serviceAccountName"], "tote-certs-remove", name);
    }
    const verbs = (role: string): readonly string[] =>
      asObjects(find(of("default"), "Role", role)["rules"], 9).flatMap((rule) => asTexts(rule["verbs"], 9));
    for (const role of ["tote-certs", "tote-certs-hook"]) {
      assert.deepEqual(verbs(role), ["create", "get", "update"]);
    }
    assert.deepEqual(verbs("tote-certs-remove"), ["get", "delete", "delete", "delete"]);
    const inAgents = of("agentNamespace").filter(
      ({ kind, namespace }) => kind === "Role" && namespace === "tote-agents",
    );
    assert.equal(inAgents.length, 3);
    for (const { json } of inAgents) {
      const names = asObjects(json["rules"], 9).flatMap((rule) => asTexts(rule["resourceNames"], 9));
      assert.deepEqual(names, ["tote-tls-agent"]);
    }
  });

  void test("the log of helm test outlives it, its rights do not", () => {
    const policy = (kind: string): unknown =>
      asObject(asObject(find(of("default"), kind, "tote-test")["metadata"])["annotations"])[
        "helm.sh/hook-delete-policy"
      ];
    assert.equal(policy("Pod"), "before-hook-creation");
    for (const kind of ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]) {
      assert.equal(policy(kind), "before-hook-creation,hook-succeeded");
    }
    const removable = asObjects(find(of("default"), "Role", "tote-certs-remove")["rules"], 9);
    assert.ok(
      removable.some(
        ({ resources, resourceNames }) =>
          asTexts(resources, 9).includes("pods") && asTexts(resourceNames, 9).includes("tote-test"),
      ),
    );
  });

  void test("the relay's volume goes with it where the API can say so, unless it is to stay", async () => {
    const relay = { subscriptions: [{ name: "a", type: "slack" }] };
    const retention = async (version: string, persistence: object): Promise<unknown> => {
      const text = await renderText({ relay: { ...relay, persistence } }, ["--kube-version", version]);
      const spec = find(parseManifests(text), "StatefulSet", "tote-relay")["spec"];
      return asObject(spec)["persistentVolumeClaimRetentionPolicy"];
    };
    assert.deepEqual(await retention("1.27.0", {}), { whenDeleted: "Delete", whenScaled: "Retain" });
    assert.deepEqual(await retention("1.35.0", { whenDeleted: "Retain" }), {
      whenDeleted: "Retain",
      whenScaled: "Retain",
    });
    assert.equal(await retention("1.26.9", {}), undefined);
  });
});
