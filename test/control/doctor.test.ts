import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { startFakeAgent } from "../../agent/rpc/fake-agent.ts";
import { main } from "../../controller/doctor/main.ts";
import { NAMESPACES, PODS } from "../../controller/kube/resources.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { ROLES } from "../../lib/roles.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { createPki, type Pki } from "../harness/pki.ts";
import { run } from "../harness/run.ts";
import { startCluster, type ControlCluster } from "./cluster.ts";
import { startController, type ControllerProcess } from "./controller-process.ts";
import { namespaceManifest, podManifest } from "./objects.ts";

const TOTE = fileURLToPath(new URL("../../tote.ts", import.meta.url));
const signal = new AbortController().signal;

interface Outcome {
  readonly code: number;
  readonly out: string;
  /** status and message by name of the check */
  readonly checks: Readonly<Record<string, { readonly status: string; readonly message: string }>>;
}

/** Runs the command in this process. */
async function doctor(args: readonly string[]): Promise<Outcome> {
  let out = "";
  const print = (text: string): void => void (out += text);
  const code = await main(args, {}, { print, printError: print, now: () => Date.now() });
  return outcomeOf(code, out);
}

/** Runs the program as a person does. */
async function doctorProgram(args: readonly string[]): Promise<Outcome> {
  const { stdout } = await run(process.execPath, [TOTE, "doctor", ...args]);
  return outcomeOf(0, stdout);
}

function outcomeOf(code: number, out: string): Outcome {
  const parsed = out.startsWith("{") ? asObject(JSON.parse(out)) : {};
  const checks = asObjects(parsed["checks"], 100).map(({ name, status, message }) => {
    return [asText(name), { status: asText(status), message: asText(message) }] as const;
  });
  if (out.startsWith("{")) assert.equal(parsed["ok"], code === 0);
  return { code, out, checks: Object.fromEntries(checks) };
}

function statuses({ checks }: Outcome): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(checks).map(([name, { status }]) => [name, status]));
}

describe("tote doctor", () => {
  let cleanup: Cleanup;
  let cluster: ControlCluster;
  let controller: ControllerProcess;
  let pki: Pki;
  let agents: Readonly<Record<string, string>>;
  let admin: readonly string[];
  let operator: readonly string[];
  /** nodes whose agents say that they discard layers */
  const discarding = new Set<string>();

  async function agentOf(node: string): Promise<string> {
    const agent = await startFakeAgent({
      tls: await pki.role(ROLES.agent),
      interceptors: [
        (next) => async (request) => {
          const answer = await next(request);
          if ("keepsLayers" in answer.message) answer.message.keepsLayers = !discarding.has(node);
          return answer;
        },
      ],
    });
    cleanup.add({ name: `close the agent of ${node}`, undo: () => agent.close() });
    return agent.url;
  }

  function putNode(name: string, containerRuntimeVersion = "containerd://2.1.4"): void {
    const nodeInfo = {
      containerRuntimeVersion,
      operatingSystem: "linux",
      kubeletVersion: "v1.34.1-eks-1a2b3c",
    };
    const status = { nodeInfo, conditions: [{ type: "Ready", status: "True" }] };
    cluster.server.put({ apiVersion: "v1", kind: "Node", metadata: { name }, status });
  }

  /** A pod of tote for one test. */
  function putPod(t: TestContext, component: string, name: string, status: object, more: object = {}): void {
    const labels = { "app.kubernetes.io/name": "tote", "app.kubernetes.io/component": component };
    const metadata = { name, namespace: "tote", labels, ...more };
    cluster.server.put({ apiVersion: "v1", kind: "Pod", metadata, status });
    t.after(() => cluster.server.delete("pods", `tote/${name}`));
  }

  before(async () => {
    cleanup = createCleanup();
    try {
      cluster = await startCluster(cleanup);
      pki = await createPki();
      for (const name of ["a", "b"]) putNode(name);
      agents = { a: await agentOf("a"), b: await agentOf("b") };
      const certDir = async (role: typeof ROLES.controller | typeof ROLES.operator): Promise<string> =>
        await pki.write(join(cleanup.directory(), role), await pki.role(role));
      const { api, controllerKubeconfig: kubeconfig } = cluster;
      for (const name of ["tote", "shop"]) await api.create(NAMESPACES, namespaceManifest(name), { signal });
      const annotations = { "tote.dev/auto-salvage": "true" };
      const pod = { name: "web", namespace: "shop", node: "a", image: "registry.test/web:v1", annotations };
      await api.create(PODS, podManifest(pod), { signal });
      controller = await startController({
        cleanup,
        kubeconfig,
        certDir: await certDir(ROLES.controller),
        agents,
      });
      admin = ["--namespace", "tote", "--kubeconfig", cluster.server.kubeconfigPath()];
      const own = await certDir(ROLES.operator);
      const list = Object.entries(agents).map(([node, url]) => `${node}=${url}`);
      const tls = [
        "--tls-cert",
        join(own, "tls.crt"),
        "--tls-key",
        join(own, "tls.key"),
        "--tls-ca",
        join(own, "ca.crt"),
      ];
      operator = [...admin, ...tls, "--agents", list.join(","), "--controller-url", controller.metricsUrl];
    } catch (error) {
      await cleanup.run();
      throw error;
    }
  });
  after(() => cleanup.run());

  test("finds nothing wrong where nothing is", async () => {
    const outcome = await doctorProgram(operator);
    assert.deepEqual(
      statuses(outcome),
      {
        kubeconfig: "ok",
        crd: "ok",
        controller: "ok",
        agents: "ok",
        runtime: "ok",
        layers: "ok",
        // namespace tote is opted in, too, and has no workload
        namespaces: "warn",
        "pull-policy": "ok",
        watches: "ok",
      },
      outcome.out,
    );
    assert.equal(outcome.code, 0);
    assert.match(
      outcome.checks["namespaces"]?.message ?? "",
      /1 workload asking for it; no workload of tote/,
    );
    assert.match(outcome.checks["watches"]?.message ?? "", /controller's own watches are up to date/);
  });

  test("without a certificate it says what it could not ask, and looks for agents as pods", async () => {
    const { code, checks } = await doctor(admin);
    assert.equal(code, 0);
    assert.equal(checks["agents"]?.status, "warn");
    assert.match(checks["agents"]?.message ?? "", /no agents in namespace tote/);
    assert.match(checks["layers"]?.message ?? "", /^not checked/);
  });

  test("the rights of the controller are enough, and a person may have lines of text", async () => {
    const { code, out } = await doctor([
      "--namespace",
      "tote",
      "--kubeconfig",
      cluster.controllerKubeconfig,
      "--output",
      "text",
    ]);
    assert.equal(code, 0, out);
    assert.match(out, /^ok {4}kubeconfig {3}http/);
    assert.match(out, /\nok {4}controller/);
    assert.match(out, /\nno check failed\n$/);
  });

  test("a pod that leaves or was evicted counts for nothing, one that is not ready counts", async (t) => {
    const [running, evicted] = [{ phase: "Running" }, { phase: "Failed", reason: "Evicted" }];
    const leaving = { deletionTimestamp: "2026-01-01T00:00:00Z" };
    for (const component of ["controller", "agent"]) {
      putPod(t, component, `${component}-leaving`, running, leaving);
      putPod(t, component, `${component}-evicted`, evicted);
    }
    const ready = { ...running, conditions: [{ type: "Ready", status: "True" }] };
    putPod(t, "controller", "serving", ready);
    const sound = await doctor(admin);
    assert.equal(sound.code, 0, sound.out);
    assert.match(sound.checks["controller"]?.message ?? "", /leads .*, 1 of 1 pod ready/);
    assert.match(sound.checks["agents"]?.message ?? "", /no agents in namespace tote/);

    putPod(t, "controller", "starting", { phase: "Pending" });
    const starting = await doctor(admin);
    assert.equal(starting.checks["controller"]?.status, "warn");
    assert.match(starting.checks["controller"]?.message ?? "", /1 of 2 pods ready/);
    assert.equal(starting.checks["watches"]?.status, "fail");
    assert.match(starting.checks["watches"]?.message ?? "", /behind: starting;/);
  });

  test("fails for what is broken, and says what to do", async () => {
    discarding.add("b");
    putNode("c", "cri-o://1.34.0");
    const { api, server } = cluster;
    const annotations = { "tote.dev/auto-salvage": "true" };
    const pod = { name: "always", namespace: "shop", node: "a", image: "registry.test/web:v1", annotations };
    await api.create(PODS, podManifest({ ...pod, pullPolicy: "Always" }), { signal });
    await controller.stop();
    server.delete("leases", "tote/tote-controller");
    server.delete("customresourcedefinitions", "salvagerecords.tote.dev");
    const outcome = await doctor([...operator, "--agents", "d=https://127.0.0.1:1"]);
    assert.equal(outcome.code, 1);
    const { checks } = outcome;
    const expected: Readonly<Record<string, readonly [string, RegExp]>> = {
      crd: ["fail", /is not installed: kubectl apply --server-side/],
      controller: ["fail", /no controller in namespace tote/],
      agents: ["fail", /1 agent of 3 give no answer: d: /],
      runtime: ["warn", /cri-o 1\.34\.0.*: c/],
      layers: [
        "fail",
        /: b\nEKS \(nodeadm\)[^]*io\.containerd\.cri\.v1\.images[^]*discard_unpacked_layers = false/,
      ],
      "pull-policy": ["warn", /shop\/Pod always \(app\)/],
      watches: ["fail", /readyz gives no answer/],
    };
    for (const [name, [status, message]] of Object.entries(expected)) {
      assert.equal(checks[name]?.status, status, `${name}: ${outcome.out}`);
      assert.match(checks[name]?.message ?? "", message);
    }
  });

  test("stops at an API server that is not there", async () => {
    await cluster.server.close();
    const { code, checks } = await doctor([...admin, "--timeout", "30s"]);
    assert.equal(code, 1);
    assert.deepEqual(Object.keys(checks), ["kubeconfig"]);
    assert.equal(checks["kubeconfig"]?.status, "fail");
  });
});
