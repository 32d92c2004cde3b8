import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../kube/store.ts";
import type { StrippedAgentPod } from "../objects/agent-pod.ts";
import { agentsOfPods, fixedAgents, noAgents } from "./agent-directory.ts";

function agentPod(name: string, options: Partial<StrippedAgentPod> = {}): StrippedAgentPod {
  return {
    namespace: "tote",
    name,
    uid: `uid-${name}`,
    resourceVersion: "1",
    nodeName: "node-a",
    podIp: "10.0.0.7",
    isReady: true,
    ...options,
  };
}

function directory(...pods: readonly StrippedAgentPod[]) {
  const store = new Store({ node: (pod: StrippedAgentPod) => [pod.nodeName] });
  for (const pod of pods) store.set(`tote/${pod.name}`, pod);
  return { store, agents: agentsOfPods(store, { port: 9090, insecure: false }) };
}

test("a ready agent is called at its pod's address, and a pod that changes is followed", () => {
  const { store, agents } = directory(agentPod("tote-1"));
  assert.equal(agents.urlOf("node-a"), "https://10.0.0.7:9090");
  store.set("tote/tote-1", agentPod("tote-1", { podIp: "10.0.0.8" }));
  assert.equal(agents.urlOf("node-a"), "https://10.0.0.8:9090");
  store.delete("tote/tote-1");
  assert.equal(agents.urlOf("node-a"), undefined);
});

test("an IPv6 address stands in brackets, and --insecure means http", () => {
  const store = new Store({ node: (pod: StrippedAgentPod) => [pod.nodeName] });
  store.set("tote/tote-1", agentPod("tote-1", { podIp: "fd00::7" }));
  const agents = agentsOfPods(store, { port: 9191, insecure: true });
  assert.equal(agents.urlOf("node-a"), "http://[fd00::7]:9191");
});

for (const [what, options] of [
  ["that is not ready", { isReady: false }],
  ["without an address", { podIp: "" }],
  ["without a node", { nodeName: "" }],
] as const) {
  test(`a pod ${what} takes no calls`, () => {
    const { agents } = directory(agentPod("tote-1", options));
    assert.equal(agents.urlOf(options.nodeName ?? "node-a"), undefined);
    assert.deepEqual(agents.nodes(), []);
  });
}

test("in a rollout the pod that is not ready does not hide the one that is", () => {
  const { agents } = directory(
    agentPod("tote-1", { podIp: "10.0.0.1" }),
    agentPod("tote-2", { podIp: "10.0.0.2", isReady: false }),
  );
  assert.equal(agents.urlOf("node-a"), "https://10.0.0.1:9090");
});

test("of two ready pods on a node the same one is called every time", () => {
  const pods = [agentPod("tote-1", { podIp: "10.0.0.1" }), agentPod("tote-2", { podIp: "10.0.0.2" })];
  const urls = [pods, pods.toReversed()].map((order) => directory(...order).agents.urlOf("node-a"));
  assert.deepEqual(urls, ["https://10.0.0.2:9090", "https://10.0.0.2:9090"]);
});

test("nodes are named once each and in order", () => {
  const { agents } = directory(
    agentPod("tote-1", { nodeName: "node-c" }),
    agentPod("tote-2", { nodeName: "node-a" }),
    agentPod("tote-3", { nodeName: "node-c" }),
  );
  assert.deepEqual(agents.nodes(), ["node-a", "node-c"]);
});

test("agents given by name are those and no others", () => {
  const agents = fixedAgents(
    new Map([
      ["node-b", "http://127.0.0.1:2"],
      ["node-a", "http://127.0.0.1:1"],
    ]),
  );
  assert.deepEqual(agents.nodes(), ["node-a", "node-b"]);
  assert.equal(agents.urlOf("node-b"), "http://127.0.0.1:2");
  assert.equal(agents.urlOf("node-c"), undefined);
  assert.deepEqual([noAgents.nodes(), noAgents.urlOf("node-a")], [[], undefined]);
});
