import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { runEnsureCommand } from "../../../controller/certs/ensure-command.ts";
import { asObject, asObjects, asText } from "../../../controller/objects/json.ts";
import { CHART, NAMESPACE, parseManifests, renderText } from "../../chart/helm.ts";
import { VALUE_SETS } from "../../chart/value-sets.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { run } from "../../harness/run.ts";
import { fetchKubeTools, type KubeTools } from "../../setup/fetch-kube-tools.ts";
import { startRealApiServer, type RealApiServer } from "../real-api-server.ts";

/** The account of the CronJob that keeps certificates. */
const CERTS_USER = `system:serviceaccount:${NAMESPACE}:tote-certs`;
/** Kinds that this API server has no definition of. */
const FOREIGN = /^(?:monitoring\.coreos\.com|cert-manager\.io)\//;
/** Kinds that the chart makes. */
const KINDS =
  "deployments,daemonsets,statefulsets,jobs,cronjobs,pods,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies,poddisruptionbudgets,priorityclasses,configmaps,validatingwebhookconfigurations,secrets";

/** helm 4 and kubectl 1.35 against a real API server without controllers: nothing runs, so hooks are left out. */
describe("the chart on a real API server", () => {
  let cleanup: Cleanup;
  let server: RealApiServer;
  let tools: KubeTools;
  before(async () => {
    cleanup = createCleanup();
    tools = await fetchKubeTools();
    server = await startRealApiServer({
      cleanup,
      users: [{ name: CERTS_USER, groups: ["system:authenticated"] }],
    });
    for (const namespace of [NAMESPACE, "tote-agents"]) await kubectl("create", "namespace", namespace);
  });
  after(() => cleanup.run());

  async function call(program: string, args: readonly string[], input = ""): Promise<string> {
    const env = { KUBECONFIG: server.kubeconfigPath() };
    return (await run(program, args, { env, input })).stdout;
  }
  const kubectl = (...args: readonly string[]): Promise<string> => call(tools.kubectl, args);
  const helm = (...args: readonly string[]): Promise<string> =>
    call(tools.helm, [...args, "--namespace", NAMESPACE, "--no-hooks"]);
  const left = async (): Promise<readonly string[]> =>
    (await kubectl("get", KINDS, "-A", "-o", "name", "-l", "app.kubernetes.io/name=tote"))
      .split("\n")
      .filter((line) => line !== "");

  test("it takes every object that the chart renders", async () => {
    for (const [name, values] of Object.entries(VALUE_SETS)) {
      const manifests = parseManifests(await renderText(values, ["--kube-version", "1.20.2"]));
      const known = manifests.filter(({ json }) => !FOREIGN.test(asText(json["apiVersion"])));
      const input = known.map(({ json }) => JSON.stringify(json)).join("\n");
      const said = await call(
        tools.kubectl,
        ["apply", "--dry-run=server", "--validate=true", "-f", "-"],
        input,
      );
      const taken = said.split("\n").filter((line) => line.endsWith("(server dry run)"));
      assert.equal(taken.length, known.length, `${name}: ${said}`);
    }
  });

  test("helm installs, certificates are made with the chart's rights, an upgrade keeps the webhook's CA, nothing is left", async () => {
    const values = [
      "--set",
      "webhook.enabled=true",
      "--set",
      "notifications.webhookUrl=https://hook.example.com/",
    ];
    assert.match(await helm("install", "tote", CHART, ...values), /STATUS: deployed/);
    assert.ok((await left()).includes("deployment.apps/tote"));

    let said = "";
    const certs = (action: "ensure" | "remove", ...more: readonly string[]): Promise<number> =>
      runEnsureCommand(
        action,
        ["--kubeconfig", server.kubeconfigPath(CERTS_USER), "--namespace", NAMESPACE, ...more],
        {},
        {
          print: (text) => void (said += text),
          printError: (text) => void (said += text),
          now: () => Date.now(),
        },
      );
    assert.equal(await certs("ensure", "--webhook-configuration=tote"), 0, said);
    assert.match(said, /^CA in ValidatingWebhookConfiguration tote: written$/m);
    const bundle = await caBundle();
    assert.notEqual(bundle, "");

    assert.match(await helm("upgrade", "tote", CHART, ...values, "--set", "replicaCount=3"), /REVISION: 2/);
    assert.equal(await caBundle(), bundle);
    said = "";
    assert.equal(await certs("ensure", "--webhook-configuration=tote"), 0, said);
    assert.ok(
      said
        .trim()
        .split("\n")
        .every((line) => line.endsWith(": good")),
      said,
    );

    await helm("uninstall", "tote");
    assert.equal(
      await kubectl("get", "crd", "-o", "name"),
      "customresourcedefinition.apiextensions.k8s.io/salvagerecords.tote.dev\n",
    );
    assert.deepEqual(await left(), []);
  });

  test("the account that keeps certificates may touch its Secrets and no others", async () => {
    await helm("install", "tote", CHART);
    const may = async (...args: readonly string[]): Promise<string> =>
      (
        await kubectl("auth", "can-i", ...args, "--namespace", NAMESPACE, "--as", CERTS_USER).catch(
          () => "no",
        )
      ).trim();
    assert.equal(await may("get", "secrets/tote-tls-ca"), "yes");
    assert.equal(await may("delete", "secrets/tote-tls-ca"), "no");
    assert.equal(await may("get", "secrets/other"), "no");
    assert.equal(await may("list", "secrets"), "no");
    assert.equal(await may("get", "secrets/tote-tls-ca", "--subresource=x"), "no");
    assert.equal(await may("create", "pods"), "no");
    await helm("uninstall", "tote");
  });

  test("the notes name the nodes that discard layers", async () => {
    const node = (name: string, providerID: string, nodeInfo: object): string =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "Node",
        metadata: { name },
        spec: { providerID },
        status: { nodeInfo },
      });
    const nodes: readonly (readonly [string, string, object])[] = [
      ["a", "kind://docker/kind/a", {}],
      ["b", "aws:///eu-west-1a/i-0", { kubeletVersion: "v1.33.1-eks-1de2ab1" }],
      ["c", "", { osImage: "Talos (v1.10.4)", kubeletVersion: "v1.33.1" }],
      ["d", "", { osImage: "Debian GNU/Linux 13 (trixie)", kubeletVersion: "v1.33.1" }],
    ];
    const notes = async (): Promise<string> =>
      (await helm("install", "tote", CHART)).split("NOTES:")[1] ?? "";
    assert.match(await notes(), /default on EKS, Talos and kind/);
    await helm("uninstall", "tote");
    for (const one of nodes.toReversed()) {
      await call(tools.kubectl, ["create", "--validate=false", "-f", "-"], node(...one));
      await call(
        tools.kubectl,
        ["replace", "--validate=false", "--subresource=status", "-f", "-"],
        node(...one),
      );
      const said = await notes();
      if (one[0] === "d") assert.match(said, /No node is known to discard layers/);
      await helm("uninstall", "tote");
    }
    const said = await notes();
    assert.match(said, /cannot give any\.\n {2}a \(kind\)\n {2}b \(EKS\)\n {2}c \(Talos\)\n\S/);
    await helm("uninstall", "tote");
    await kubectl("delete", "nodes", "--all");
  });

  async function caBundle(): Promise<string> {
    const found = asObject(
      JSON.parse(await kubectl("get", "validatingwebhookconfiguration", "tote", "-o", "json")),
    );
    return asText(asObject(asObjects(found["webhooks"], 1)[0]?.["clientConfig"])["caBundle"]);
  }
});
