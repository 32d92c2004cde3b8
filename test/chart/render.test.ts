import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, suite, test } from "node:test";

import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
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
    assert.equal(asObject(find(manifests, "Service", "tote-metrics")["spec"])["clusterIP"], "None");
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

  void test("events may be a list or, as the original had them, one text", async () => {
    const { notifications } = asObject(VALUE_SETS["legacy"]);
    const inOneText = { ...asObject(notifications), events: "detected,salvaged" };
    const text = await renderText({ ...VALUE_SETS["legacy"], notifications: inOneText });
    const secret = (manifests: readonly Manifest[]): unknown =>
      find(manifests, "Secret", "tote-relay")["stringData"];
    assert.deepEqual(secret(parseManifests(text)), secret(of("legacy")));
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
