import assert from "node:assert/strict";
import { test } from "node:test";

import { parseReference } from "../../lib/reference.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import { NODE_INDEXERS, POD_INDEXERS } from "../cluster-view.ts";
import { Store } from "../kube/store.ts";
import type { StrippedNode } from "../objects/node.ts";
import { FakeQuestions } from "../testing/fake-agents.ts";
import { digestOf, node } from "../testing/nodes.ts";
import { pod, type PodOptions } from "../testing/pods.ts";
import { DIGEST } from "../testing/records.ts";
import { ImageFinder } from "./image-finder.ts";

const IMAGE = "registry.test:5000/app:v1";
const REPOSITORY = "registry.test:5000/app";
const HELD = { images: [[`${REPOSITORY}@${DIGEST}`, IMAGE]] };
const { signal } = new AbortController();
const WANTED = {
  namespace: "shop",
  reference: parseReference(IMAGE),
  targetNode: "node-b",
  isCorrupt: false,
};

/** A finder in a cluster of these nodes, all with an agent unless said otherwise. */
function setUp(nodes: readonly StrippedNode[], pods: readonly PodOptions[] = [], bare: string[] = []) {
  const stores = { pods: new Store(POD_INDEXERS), nodes: new Store(NODE_INDEXERS) };
  for (const one of nodes) stores.nodes.set(one.name, one);
  for (const one of pods.map((options) => pod(options))) stores.pods.set(`${one.namespace}/${one.name}`, one);
  const agents = nodes.filter(({ name }) => !bare.includes(name));
  const directory = fixedAgents(new Map(agents.map(({ name }) => [name, `http://${name}`])));
  const questions = new FakeQuestions();
  const view = { pods: { store: stores.pods }, nodes: { store: stores.nodes } };
  return { finder: new ImageFinder({ view, questions, directory }), questions };
}

test("agents are not asked for a digest that a pod or three nodes tell", async () => {
  const holders = ["node-a", "node-c", "node-d"].map((name) => node(name, HELD));
  const imageId = `${REPOSITORY}@${DIGEST}`;
  const sibling = { namespace: "shop", containers: [{ imageId, isRunning: true }] };
  for (const { finder, questions } of [
    setUp([...holders, node("node-b")]),
    setUp([node("node-b")], [sibling]),
  ]) {
    const resolution = await finder.resolve(WANTED, signal);
    assert.equal(resolution.kind === "resolved" && resolution.digest, DIGEST);
    assert.deepEqual(questions.asked, []);
  }
});

test("agents are asked when few nodes tell a tag: the status of another may not say that it disagrees", async () => {
  const { finder, questions } = setUp([node("node-a", HELD), node("node-b"), node("node-c")]);
  questions.have(["node-a"]);
  questions.have(["node-c"], { digest: digestOf("b") });
  questions.lack("node-b");
  const resolution = await finder.resolve(WANTED, signal);
  assert.equal(resolution.kind === "ambiguous" && resolution.tier, "nodes");
});

test("agents are asked when nobody else knows what a tag means", async () => {
  const { finder, questions } = setUp([node("node-a"), node("node-b")]);
  questions.have(["node-a"]);
  questions.lack("node-b");
  const resolution = await finder.resolve(WANTED, signal);
  assert.equal(resolution.kind === "resolved" && resolution.digest, DIGEST);
  assert.deepEqual(questions.asked, [`node-a ${IMAGE}`, `node-b ${IMAGE}`]);
});

test("pods of other namespaces say nothing about what a tag means here", async () => {
  const imageId = `${REPOSITORY}@${DIGEST}`;
  const { finder } = setUp(
    [node("node-b")],
    [{ namespace: "bank", containers: [{ imageId, isRunning: true }] }],
  );
  assert.equal((await finder.resolve(WANTED, signal)).kind, "unresolved");
});

test("for a corrupt image the digest is that of the target's own record", async () => {
  const { finder, questions } = setUp([
    node("node-a", { images: [[`${REPOSITORY}@${digestOf("b")}`, IMAGE]] }),
    node("node-b"),
  ]);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  const resolution = await finder.resolve({ ...WANTED, isCorrupt: true }, signal);
  assert.equal(resolution.kind === "resolved" && resolution.digest, DIGEST);
});

test("with enough holders known only some of them are asked, those of the target's zone first", async () => {
  const far = Array.from({ length: 8 }, (_, at) => node(`far-${at}`, { ...HELD, zone: "z2" }));
  const near = node("near", { ...HELD, zone: "z1" });
  const { finder, questions } = setUp([...far, near, node("node-b", { zone: "z1" }), node("empty")]);
  questions.have([...far.map(({ name }) => name), "near"]);
  const found = await finder.locate("node-b", DIGEST, signal);
  const asked = questions.asked.map((question) => question.split(" ")[0]);
  assert.equal(asked[0], "near");
  assert.equal(asked.length, 7, "six holders and the target");
  assert.ok(!asked.includes("empty"));
  assert.equal(found.holders.length, 9);
});

test("with few holders known every agent is asked", async () => {
  const { finder, questions } = setUp([node("node-a", HELD), node("node-b"), node("node-c")]);
  questions.have(["node-c"]);
  questions.lack("node-a", "node-b");
  const found = await finder.locate("node-b", DIGEST, signal);
  assert.equal(questions.asked.length, 3);
  assert.deepEqual(
    found.holders.map((holder) => holder.node),
    ["node-c"],
    "an agent knows better than its node's status",
  );
});

test("when no holder that the API knows has it, all others are asked after all", async () => {
  const stale = ["a", "c", "d"].map((name) => node(name, HELD));
  const { finder, questions } = setUp([...stale, node("node-b"), node("other")]);
  questions.lack("a", "c", "d", "node-b");
  questions.have(["other"]);
  const found = await finder.locate("node-b", DIGEST, signal);
  assert.deepEqual(
    found.candidates.map(({ name, incomplete }) => [name, incomplete]),
    [["other", ""]],
  );
});

test("the target is no source, what it has is told apart", async () => {
  const { finder, questions } = setUp([node("node-a", HELD), node("node-b", HELD)]);
  questions.have(["node-a", "node-b"], { isRunnable: false });
  const found = await finder.locate("node-b", DIGEST, signal);
  assert.deepEqual(
    found.candidates.map(({ name }) => name),
    ["node-a"],
  );
  assert.equal(found.onTarget?.isRunnable, false);
});

test("a candidate says why it cannot serve", async () => {
  const { finder, questions } = setUp([node("node-a", HELD), node("node-b"), node("node-c", HELD)]);
  questions.have(["node-a"], { isComplete: false, incomplete: "a layer is gone" });
  const found = await finder.locate("node-b", DIGEST, signal);
  assert.deepEqual(
    found.candidates.map(({ name, incomplete }) => `${name}: ${incomplete}`),
    ["node-a: a layer is gone", "node-c: its agent does not answer"],
  );
});

test("that nobody has it is certain only when every node has said so", async () => {
  for (const [bare, silent, isCertain] of [
    [[], [], true],
    [["node-c"], ["node-c"], false],
    [[], ["node-a"], false],
  ] as const) {
    const nodes = ["node-a", "node-b", "node-c"];
    const { finder, questions } = setUp(
      nodes.map((name) => node(name)),
      [],
      [...bare],
    );
    questions.lack(...nodes.filter((name) => !silent.some((one) => one === name)));
    assert.equal((await finder.locate("node-b", DIGEST, signal)).isCertain, isCertain);
  }
});

test("a node that has it and cannot be reached just now leaves nothing certain", async () => {
  for (const [out, bare] of [
    [node("node-a", { isReady: false }), []],
    [node("node-a"), ["node-a"]],
  ] as const) {
    const { finder, questions } = setUp([out, node("node-b")], [], [...bare]);
    questions.have(["node-a"]);
    questions.lack("node-b");
    // asked a moment ago, when it still was there
    const told = await finder.locate("node-b", DIGEST, signal);
    assert.equal(told.isCertain, false);
  }
});
