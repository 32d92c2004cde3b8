import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { checkAgents } from "./check-agents.ts";
import { checkController, type ControllerFacts } from "./check-controller.ts";
import { checkCrd } from "./check-crd.ts";
import { checkLayers } from "./check-layers.ts";
import { checkNamespaces, checkPullPolicy } from "./check-namespaces.ts";
import { checkRuntime } from "./check-runtime.ts";
import { checkWatches } from "./check-watches.ts";
import { checkReading, diagnose, listed, type Check } from "./check.ts";
import { readNodeFacts, type NodeFacts } from "./node-facts.ts";
import type { AgentReply } from "./agent-replies.ts";

const CRD = {
  metadata: {
    name: "salvagerecords.tote.dev",
    creationTimestamp: "2026-01-01T00:00:00Z",
    annotations: { "tote.dev/schema": "2" },
  },
  spec: { versions: [{ name: "v1alpha1", served: true, subresources: { status: {} } }] },
};
const KEEPS: AgentReply = { kind: "node", version: "0.1.0", keepsLayers: true };
const DISCARDS: AgentReply = { ...KEEPS, keepsLayers: false };
const SILENT: AgentReply = { kind: "silent", why: "connection refused" };

function node(name: string, changes: Partial<NodeFacts> = {}): NodeFacts {
  const usual = { isReady: true, os: "linux", runtime: "containerd", runtimeVersion: "1.7.24" } as const;
  return { name, ...usual, flavor: "other", ...changes };
}

function is(check: Check, status: Check["status"], message: RegExp): void {
  assert.equal(check.status, status, check.message);
  assert.match(check.message, message);
}

describe("doctor", () => {
  it("is content unless a check fails", () => {
    const warn: Check = { name: "a", status: "warn", message: "" };
    assert.equal(diagnose([warn]).ok, true);
    assert.equal(diagnose([warn, { ...warn, status: "fail" }]).ok, false);
  });

  it("warns of what the user may not see, and fails for what cannot be read", () => {
    const judge = (): Check => ({ name: "x", status: "ok", message: "" });
    is(checkReading("x", { kind: "forbidden", why: "403" }, judge), "warn", /not checked: 403/);
    is(checkReading("x", { kind: "failed", why: "500" }, judge), "fail", /500/);
    assert.equal(checkReading("x", { kind: "read", value: 1 }, judge).status, "ok");
  });

  it("writes out five names of many", () => {
    assert.equal(listed(["a", "b"]), "a, b");
    assert.equal(listed(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e (and 2 more)");
  });

  it("tells the age of the definition, and how to install a newer one", () => {
    const now = Date.parse("2026-01-13T01:00:00Z");
    is(checkCrd(CRD, now, "0.1.0"), "ok", /of schema 2, installed 12 days ago, fits tote 0\.1\.0/);
    is(checkCrd(undefined, now, "0.1.0"), "fail", /not installed: kubectl apply --server-side/);
    const original = { ...CRD, metadata: { name: CRD.metadata.name } };
    is(checkCrd(original, now, "0.1.0"), "fail", /of version 1, this tote needs 2: kubectl apply/);
  });

  it("looks for one controller that leads", () => {
    const pods = { all: 2, ready: 2 };
    const held = { kind: "held", holder: "tote-1" } as const;
    const facts = { namespace: "tote", leaseName: "tote-controller", pods };
    const cases: readonly [ControllerFacts, Check["status"], RegExp][] = [
      [{ ...facts, leadership: held }, "ok", /tote-1 leads \(Lease tote\/tote-controller\), 2 of 2 pods/],
      [{ ...facts, leadership: held, pods: { all: 0, ready: 0 } }, "ok", /outside of the cluster/],
      [{ ...facts, leadership: held, pods: { all: 2, ready: 1 } }, "warn", /1 of 2 pods ready/],
      [{ ...facts, leadership: { kind: "stale", holder: "tote-1" } }, "fail", /tote-1 no longer renews/],
      [{ ...facts, leadership: { kind: "free" } }, "fail", /was given back/],
      [{ ...facts, leadership: { kind: "absent" } }, "warn", /leader election is off/],
      [{ ...facts, leadership: { kind: "absent" }, pods: { all: 1, ready: 0 } }, "fail", /--namespace/],
    ];
    for (const [given, status, message] of cases) is(checkController(given), status, message);
  });

  it("misses agents on ready nodes, and calls those there are", () => {
    const facts = { nodes: [node("a"), node("b")], pods: 2, namespace: "tote", replies: undefined };
    const both = new Set(["a", "b"]);
    is(checkAgents({ ...facts, ready: new Set(), pods: 0 }), "warn", /no agents in namespace tote/);
    is(checkAgents({ ...facts, ready: new Set() }), "fail", /not one of 2 agents in tote is ready/);
    is(checkAgents({ ...facts, ready: both }), "ok", /2 agents ready, not called/);
    is(checkAgents({ ...facts, ready: new Set(["a"]) }), "warn", /1 of 2 ready nodes .*: b/);
    const answers = new Map<string, AgentReply>([
      ["a", KEEPS],
      ["b", KEEPS],
    ]);
    is(checkAgents({ ...facts, ready: both, replies: answers }), "ok", /all answer \(0\.1\.0\)/);
    answers.set("b", SILENT);
    is(
      checkAgents({ ...facts, ready: both, replies: answers }),
      "fail",
      /1 agent of 2 .*b: connection refused/,
    );
  });

  it("misses no agent on nodes that none can serve", () => {
    const nodes = [
      node("a"),
      node("b", { runtime: "cri-o" }),
      node("c", { isReady: false }),
      node("d", { os: "windows" }),
    ];
    const check = checkAgents({
      nodes,
      ready: new Set(["a"]),
      pods: 1,
      namespace: "tote",
      replies: undefined,
    });
    assert.equal(check.status, "ok");
  });

  it("tells runtimes apart", () => {
    is(checkRuntime([node("a"), node("b")]), "ok", /^2 nodes with containerd 1\.7\.24$/);
    is(
      checkRuntime([node("a"), node("b", { runtime: "cri-o", runtimeVersion: "1.30.0" })]),
      "warn",
      /1 node with cri-o 1\.30\.0.*: b$/,
    );
    is(checkRuntime([node("a", { runtime: "cri-o" })]), "fail", /needs containerd on Linux/);
    is(checkRuntime([node("a", { runtimeVersion: "1.5.9" })]), "warn", /older than containerd 1\.6.*: a$/);
    is(checkRuntime([node("a", { runtimeVersion: "2.1.0" })]), "ok", /2\.1\.0/);
    is(checkRuntime([]), "fail", /no nodes/);
  });

  it("wants nodes that keep their layers", () => {
    is(checkLayers([node("a")], undefined), "warn", /not checked.*tote-operator/);
    is(checkLayers([node("a")], new Map([["a", KEEPS]])), "ok", /1 node asked, all keep layers/);
    is(checkLayers([node("a")], new Map([["a", SILENT]])), "warn", /no agent has answered/);
    const replies = new Map([
      ["a", KEEPS],
      ["b", DISCARDS],
    ]);
    is(
      checkLayers([node("a"), node("b")], replies),
      "fail",
      /^1 node of 2 discard .*: b\n(?:.*\n)*.*discard_unpacked_layers = false$/,
    );
  });

  it("knows whose nodes they are, and the lines that each needs", () => {
    const table: readonly [object, object, string, readonly RegExp[]][] = [
      [
        { kubeletVersion: "v1.31.3-eks-7f9249a", containerRuntimeVersion: "containerd://1.7.27" },
        {},
        "eks",
        [/kind: NodeConfig/, /\[plugins\."io\.containerd\.grpc\.v1\.cri"\.containerd\]/],
      ],
      [
        { kubeletVersion: "v1.34.1-eks-7f9249a", containerRuntimeVersion: "containerd://2.1.4" },
        {},
        "eks",
        [/kind: NodeConfig/, /\[plugins\."io\.containerd\.cri\.v1\.images"\]/],
      ],
      [
        { osImage: "Talos (v1.10.1)", containerRuntimeVersion: "containerd://2.0.5" },
        {},
        "talos",
        [/20-customization\.part/, /\[plugins\."io\.containerd\.cri\.v1\.images"\]/],
      ],
      [
        { containerRuntimeVersion: "containerd://2.1.1" },
        { providerID: "kind://docker/kind/kind-worker" },
        "kind",
        [/containerdConfigPatches/, /\[plugins\."io\.containerd\.grpc\.v1\.cri"\.containerd\]/],
      ],
      [{ containerRuntimeVersion: "containerd://1.7.24" }, {}, "other", [/\/etc\/containerd\/config\.toml/]],
    ];
    for (const [nodeInfo, spec, flavor, lines] of table) {
      const facts = readNodeFacts({ metadata: { name: "n" }, spec, status: { nodeInfo } });
      assert.equal(facts.flavor, flavor);
      const { message } = checkLayers([facts], new Map([["n", DISCARDS]]));
      for (const line of lines) assert.match(message, line);
      assert.match(message, /discard_unpacked_layers = false/);
    }
  });

  it("says once what several nodes of a kind need", () => {
    const nodes = [node("a"), node("b")];
    const replies = new Map(nodes.map(({ name }) => [name, DISCARDS]));
    const { message } = checkLayers(nodes, replies);
    assert.equal(message.split("discard_unpacked_layers").length, 2);
  });

  it("says who has opted in, and what keeps others from it", () => {
    const space = (name: string, allow?: string) => ({
      name,
      uid: name,
      resourceVersion: "1",
      isDeleting: false,
      annotations: allow === undefined ? {} : { "tote.dev/allow": allow },
    });
    const web = { namespace: "shop", label: "Deployment web", pullsAlways: [] };
    is(
      checkNamespaces([space("shop", "true"), space("other")], [web]),
      "ok",
      /1 namespace opted in \(shop\), 1 workload/,
    );
    is(checkNamespaces([space("shop")], []), "warn", /no namespace is opted in; kubectl annotate namespace/);
    is(checkNamespaces([space("shop", "true")], []), "warn", /no workload of shop asks for it/);
    is(
      checkNamespaces([space("shop", "true"), space("b", "yes")], [web]),
      "warn",
      /must be "true": b \("yes"\)/,
    );
    is(checkNamespaces([space("kube-system", "true")], []), "warn", /never acts in kube-system/);
  });

  it("names workloads that always pull", () => {
    const web = { namespace: "shop", label: "Deployment web", pullsAlways: [] };
    is(checkPullPolicy([web]), "ok", /none of 1 workload/);
    is(checkPullPolicy([web, { ...web, pullsAlways: ["app"] }]), "warn", /shop\/Deployment web \(app\)/);
  });

  it("believes the controller about its watches, its pods otherwise, and tries for itself", () => {
    const trials = [{ resource: "pods", why: "" }];
    const facts = { trials, readiness: undefined, unready: [] };
    is(checkWatches(facts), "ok", /^1 kind of objects can be watched$/);
    is(
      checkWatches({ ...facts, readiness: { ready: true, reason: "" } }),
      "ok",
      /own watches are up to date/,
    );
    const behind = { ready: false, reason: "the watch of pods has said nothing for 300 s" };
    is(checkWatches({ ...facts, readiness: behind }), "fail", /nothing for 300 s/);
    is(checkWatches({ ...facts, unready: ["tote-1"] }), "fail", /tote-1/);
    is(checkWatches({ ...facts, trials: [{ resource: "pods", why: "403" }] }), "fail", /pods: 403/);
  });
});
