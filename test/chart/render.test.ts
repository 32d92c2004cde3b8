import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, suite, test } from "node:test";

import { asObject, asObjects, asText, asTexts } from "../../controller/objects/json.ts";
import { CommandError } from "../harness/run.ts";
import { CHART, find, helm, NAMESPACE, parseManifests, renderText, type Manifest } from "./helm.ts";
import { VALUE_SETS } from "./value-sets.ts";

void suite("the chart, rendered", () => {
  const rendered = new Map<string, readonly Manifest[]>();

  before(async () => {
    for (const [name, values] of Object.entries(VALUE_SETS)) {
      const [one, two] = await Promise.all([renderText(values), renderText(values)]);
      assert.equal(one, two, `${name}: something random is in the templates`);
      rendered.set(name, parseManifests(one));
    }
  });

  const of = (name: string): readonly Manifest[] => rendered.get(name) ?? [];

  for (const name of ["default", "full"]) {
    void test(`with the values "${name}" it is what was looked at (node test/chart/update-golden.ts)`, async () => {
      const golden = await readFile(new URL(`golden/${name}.yaml`, import.meta.url), "utf8");
      assert.equal(await renderText(VALUE_SETS[name]), golden);
    });
  }

  void test("helm has nothing to say against it", async () => {
    for (const values of [VALUE_SETS["default"], VALUE_SETS["full"]]) {
      const said = await helm(["lint", "--strict", CHART], values);
      assert.match(said, /0 chart\(s\) failed/);
      assert.doesNotMatch(said, /\[(?:WARNING|ERROR)\]/);
    }
  });

  void test("no object is there twice, all have the recommended labels and the right namespace", () => {
    for (const [name, manifests] of rendered) {
      const keys = manifests.map((one) => `${one.kind} ${one.namespace}/${one.name}`);
      assert.deepEqual(
        keys.filter((key, at) => keys.indexOf(key) !== at),
        [],
        name,
      );
      for (const { kind, name: own, namespace, json } of manifests) {
        const labels = asObject(asObject(json["metadata"])["labels"]);
        assert.equal(labels["app.kubernetes.io/name"], "tote", `${name}: ${kind} ${own}`);
        const isOfCluster = /^Cluster|^PriorityClass$|^ValidatingWebhook/.test(kind);
        const wanted = isOfCluster
          ? [""]
          : name === "agentNamespace"
            ? [NAMESPACE, "tote-agents"]
            : [NAMESPACE];
        assert.ok(wanted.includes(namespace), `${name}: ${kind} ${own} in ${namespace}`);
      }
    }
  });

  void test("every account, secret, role and claim that is named exists or is told by values", () => {
    const told = new Set(["c", "a", "r", "w", "relay-config", "relay-tokens", "mine"]);
    const ensured = /^tote-(?:tls-(?:ca|controller|agent|relay|webhook|operator)|relay-tokens)$/;
    for (const [name, manifests] of rendered) {
      const named = [...JSON.stringify(manifests).matchAll(/"(serviceAccountName|secretName)":"([^"]+)"/g)];
      assert.ok(named.length > 0);
      for (const [, field = "", value = ""] of named) {
        const kind = field === "secretName" ? "Secret" : "ServiceAccount";
        const exists = manifests.some((one) => one.kind === kind && one.name === value);
        const isMade = kind === "Secret" && ensured.test(value);
        assert.ok(exists || isMade || told.has(value), `${name}: ${kind} ${value}`);
      }
    }
  });

  void test("the original's names and selectors are kept", () => {
    const manifests = of("full");
    const selector = asObject(
      asObject(asObject(find(manifests, "Deployment", "tote")["spec"])["selector"])["matchLabels"],
    );
    assert.deepEqual(selector, {
      "app.kubernetes.io/name": "tote",
      "app.kubernetes.io/instance": "tote",
      "app.kubernetes.io/component": "controller",
    });
    find(manifests, "DaemonSet", "tote-agent");
    find(manifests, "Service", "tote-metrics");
    find(manifests, "Service", "tote-webhook");
    const dashboard = find(manifests, "ConfigMap", "tote-dashboard");
    assert.equal(asObject(asObject(dashboard["metadata"])["labels"])["grafana_dashboard"], "1");
  });

  void test("a plain install needs no volume and no relay, one subscription brings it", () => {
    assert.ok(!of("default").some(({ kind }) => kind === "StatefulSet"));
    assert.ok(of("full").some(({ kind, name }) => kind === "StatefulSet" && name === "tote-relay"));
    assert.match(
      JSON.stringify(find(of("legacy"), "StatefulSet", "tote-relay")),
      /--ephemeral-data.*"emptyDir"/,
    );
    assert.doesNotMatch(
      JSON.stringify(find(of("full"), "StatefulSet", "tote-relay")),
      /"emptyDir"|--ephemeral-data/,
    );
    const data = asObject(find(of("legacy"), "Secret", "tote-relay")["stringData"]);
    assert.match(asText(data["relay.yaml"]), /format: tote-v0\n\s+name: legacy/);
  });

  void test("the webhook fails open within 2 s, and leaves system and release alone", () => {
    const [hook, ...more] = asObjects(
      find(of("full"), "ValidatingWebhookConfiguration", "tote")["webhooks"],
      9,
    );
    assert.equal(more.length, 0);
    assert.equal(hook?.["failurePolicy"], "Ignore");
    assert.equal(hook["timeoutSeconds"], 2);
    assert.equal(hook["sideEffects"], "None");
    const [expression] = asObjects(asObject(hook["namespaceSelector"])["matchExpressions"], 9);
    assert.deepEqual(expression, {
      key: "kubernetes.io/metadata.name",
      operator: "NotIn",
      values: ["kube-system", "kube-public", "kube-node-lease", NAMESPACE, "istio-system"],
    });
    const touched = asObjects(hook["rules"], 9).flatMap(({ resources }) => resources);
    assert.ok(!JSON.stringify(touched).includes("/"), "a subresource would bring the nudge here");
  });

  void test("certificates are made before anything is installed, and by somebody who may do nothing else", () => {
    const manifests = of("default");
    const hooks = (kind: string, name: string): unknown =>
      asObject(asObject(find(manifests, kind, name)["metadata"])["annotations"])["helm.sh/hook"];
    assert.equal(hooks("Job", "tote-certs-hook"), "pre-install,pre-upgrade");
    for (const kind of ["ServiceAccount", "Role", "RoleBinding"]) {
      assert.equal(hooks(kind, "tote-certs-hook"), "pre-install,pre-upgrade");
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

  void test("nobody is bound to viewer and orderer", () => {
    const bindings = of("default").filter(({ kind }) => kind.endsWith("RoleBinding"));
    const bound = bindings.map(({ json }) => asText(asObject(json["roleRef"])["name"]));
    assert.ok(bound.length > 0 && !bound.some((name) => /viewer|orderer/.test(name)));
    find(of("default"), "ClusterRole", "tote-viewer");
    find(of("default"), "ClusterRole", "tote-orderer");
  });

  void test("an older cluster gets the older versions of what it has", async () => {
    const [old, young] = await Promise.all(
      ["1.20.2", "1.25.0"].map((version) => renderText({}, ["--kube-version", version])),
    );
    assert.match(old ?? "", /policy\/v1beta1/);
    assert.match(old ?? "", /batch\/v1beta1/);
    assert.doesNotMatch(young ?? "", /v1beta1/);
  });

  void test("the notes say what is there, what to beware of, and what to do next", async () => {
    const notes = async (values: object): Promise<string> => {
      const args = ["install", "tote", CHART, "--namespace", NAMESPACE, "--dry-run=client"];
      return (await helm(args, values)).split("NOTES:")[1] ?? "";
    };
    const [plain, risky] = await Promise.all([
      notes({}),
      notes({
        ...VALUE_SETS["insecure"],
        image: { pullPolicy: "Always" },
        relay: { persistence: { enabled: false } },
        agent: { enabled: false },
      }),
    ]);
    assert.doesNotMatch(plain, /WARNING/);
    assert.match(plain, /Nothing is opted in yet/);
    const [, next = ""] = plain.split("Next:");
    assert.deepEqual(
      next
        .trim()
        .split("\n")
        .map((line) => line.trim().split(" ").slice(0, 2).join(" ")),
      ["kubectl annotate", "kubectl annotate", "helm test"],
    );
    for (const warning of [
      /persistence\.enabled is false/,
      /tls\.enabled is false/,
      /pullPolicy is Always/,
    ]) {
      assert.match(risky, warning);
    }
    assert.match(risky, /nothing is moved/);
  });

  void test("what must not be is refused with the way out", async () => {
    const refusals: readonly (readonly [object, RegExp])[] = [
      [{ tls: { secretName: "one" } }, /tls\.secretName: one certificate for all roles.*tls\.secretNames/],
      [{ tls: { enabled: false } }, /tls\.iKnowThisIsInsecure: true/],
      [
        { tls: { enabled: false, iKnowThisIsInsecure: true }, webhook: { enabled: true } },
        /webhook\.enabled/,
      ],
      [
        { relay: { existingSecret: "x", subscriptions: [{ name: "a", type: "slack" }] } },
        /relay\.existingSecret/,
      ],
      [{ tls: { secretNames: { webhook: "w" } }, webhook: { enabled: true } }, /tls\.webhookCaBundle/],
      [
        { tls: { webhookCaBundle: "Q0E=" }, webhook: { enabled: true } },
        /only with tls\.secretNames\.webhook/,
      ],
      [
        { tls: { certManager: { enabled: true }, secretNames: { agent: "a" } } },
        /tls\.certManager\.enabled: excludes tls\.secretNames/,
      ],
      [
        {
          tls: { certManager: { enabled: true }, secretNames: { webhook: "w" }, webhookCaBundle: "Q0E=" },
          webhook: { enabled: true },
        },
        /tls\.certManager\.enabled: excludes tls\.secretNames/,
      ],
      [{ tls: { secretNames: { agent: "a" } } }, /names agent and not controller: one CA/],
      [
        {
          tls: { secretNames: { controller: "c", agent: "a" } },
          notifications: { webhookUrl: "https://x.example/" },
        },
        /names controller, agent and not relay/,
      ],
      [
        { tls: { secretNames: { controller: "c", agent: "a" }, operator: true } },
        /tls\.operator: your own CA/,
      ],
    ];
    for (const [values, message] of refusals) {
      await assert.rejects(renderText(values), (error: unknown) => {
        return error instanceof CommandError && message.test(error.stderr.replaceAll("\n", " "));
      });
    }
  });
});
