import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, createRouterTransport } from "@connectrpc/connect";

import { parseReference } from "../../lib/reference.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import { NODE_INDEXERS, POD_INDEXERS } from "../cluster-view.ts";
import { Store } from "../kube/store.ts";
import type { StrippedNode } from "../objects/node.ts";
import { FakeQuestions } from "../testing/fake-agents.ts";
import { digestOf, node } from "../testing/nodes.ts";
import { pod } from "../testing/pods.ts";
import { DIGEST } from "../testing/records.ts";
import { RULES } from "../testing/salvage-rig.ts";
import { ImageFinder } from "./image-finder.ts";
import { Planner, type Finding, type PlanRequest, type PlanRules } from "./planner.ts";

const IMAGE = "registry.test:5000/app:v1";
const REPOSITORY = "registry.test:5000/app";
const HELD = { images: [[`${REPOSITORY}@${DIGEST}`, IMAGE]] };
const LAYER = {
  digest: digestOf("e"),
  mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
  size: 100,
  present: true,
  unpacked: false,
};
const NODES = [node("node-a", HELD), node("node-b")];
const { signal } = new AbortController();

/** A planner in a cluster of these nodes; the target's filesystem has 1000 bytes, 900 of them free. */
function setUp(nodes: readonly StrippedNode[] = NODES, rules: Partial<PlanRules> = {}) {
  const stores = { pods: new Store(POD_INDEXERS), nodes: new Store(NODE_INDEXERS) };
  for (const one of nodes) stores.nodes.set(one.name, one);
  const directory = fixedAgents(new Map(nodes.map(({ name }) => [name, `http://${name}`])));
  const questions = new FakeQuestions();
  questions.lack("node-b");
  const view = { pods: { store: stores.pods }, nodes: { store: stores.nodes } };
  let free = 900n;
  const agent = createClient(
    AgentService,
    createRouterTransport(({ service }) => {
      service(AgentService, { getNode: () => ({ imageFsFreeBytes: free, imageFsTotalBytes: 1000n }) });
    }),
  );
  const planner = new Planner({
    view,
    finder: new ImageFinder({ view, questions, directory }),
    clients: { get: () => agent },
    rules: {
      ...RULES,
      ...rules,
    },
  });
  const plan = async (request: Partial<PlanRequest> = {}): Promise<Finding> =>
    await planner.plan({ ...REQUEST, ...request }, signal);
  return { plan, questions, pods: stores.pods, leave: (bytes: bigint) => void (free = bytes) };
}

const REQUEST: PlanRequest = {
  namespace: "shop",
  reference: parseReference(IMAGE),
  targetNode: "node-b",
  isCorrupt: false,
  imageRef: IMAGE,
  cause: "unreachable",
};

/** "plan", or the reason of a refusal. */
function kindOf(finding: Finding): string {
  return finding.kind === "refused" ? finding.reason : finding.kind;
}

test("a plan names the one image, its sources and what it rests on", async () => {
  const { plan, questions } = setUp(NODES, { maxImageBytes: 5_000 });
  questions.have(["node-a"], { blobs: [LAYER] });
  assert.deepEqual(await plan(), {
    kind: "plan",
    plan: {
      digest: DIGEST,
      names: [IMAGE],
      targetNode: "node-b",
      sources: ["node-a"],
      maxBytes: 5_000,
      evidence: `node node-a holds ${REPOSITORY}@${DIGEST}`,
    },
    holders: ["node-a"],
  });
});

test("an image that is on the target already needs no source", async () => {
  const { plan, questions } = setUp();
  questions.lack("node-a");
  questions.have(["node-b"]);
  const finding = await plan({ reference: parseReference(`${REPOSITORY}@${DIGEST}`) });
  assert.deepEqual(finding.kind === "plan" && finding.plan.sources, []);
});

test("without evidence nothing is planned, also for an image that is on the target", async () => {
  const { plan, questions } = setUp(NODES, { authorisation: "strict" });
  questions.have(["node-a", "node-b"]);
  assert.equal(kindOf(await plan()), "NotAuthorized");
});

test("what is missing of a corrupt image is brought by the same rule", async () => {
  const { plan, questions } = setUp(NODES, { authorisation: "strict" });
  questions.have(["node-a"]);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  assert.equal(kindOf(await plan({ isCorrupt: true })), "NotAuthorized");
});

test("a pod of the same namespace is evidence enough for strict, one of another is none", async () => {
  const { plan, questions, pods } = setUp(NODES, { authorisation: "strict" });
  questions.have(["node-a"]);
  const containers = [{ isRunning: true, imageId: `${REPOSITORY}@${DIGEST}` }];
  pods.set("bank/web", pod({ namespace: "bank", name: "web", containers }));
  assert.equal(kindOf(await plan()), "NotAuthorized");
  pods.set("shop/web", pod({ name: "web", containers }));
  assert.equal(kindOf(await plan()), "plan");
});

test("a registry that refused the pod's credentials outweighs what nodes hold", async () => {
  const { plan, questions } = setUp();
  questions.have(["node-a"]);
  assert.equal(kindOf(await plan({ cause: "unauthorized" })), "NotAuthorized");
});

test("what cannot be told apart or told at all is refused before anybody is asked for content", async () => {
  const other = { images: [[`${REPOSITORY}@${digestOf("b")}`, IMAGE]] };
  const { plan, questions } = setUp([...NODES, node("node-c", other)]);
  assert.equal(kindOf(await plan()), "ImageAmbiguous");
  assert.ok(questions.asked.every((question) => question.endsWith(IMAGE)));
  const { plan: without, questions: absent } = setUp([node("node-b")]);
  absent.lack("node-b");
  assert.equal(kindOf(await without()), "ImageUnresolved");
});

test("room is counted by what the target lacks", async () => {
  const { plan, questions, leave } = setUp();
  questions.have(["node-a"], { blobs: [LAYER] });
  // 100 bytes that come, 300 unpacked, 200 that stay free
  leave(599n);
  assert.equal(kindOf(await plan()), "InsufficientRoom");
  leave(600n);
  assert.equal(kindOf(await plan()), "plan");
  questions.have(["node-b"], { isRunnable: false, isComplete: false, blobs: [LAYER] });
  leave(500n);
  assert.equal(kindOf(await plan()), "plan", "the layer is there and only unpacked");
});

test("an image beyond the limit is refused however much room there is", async () => {
  const { plan, questions } = setUp(NODES, { maxImageBytes: 99 });
  questions.have(["node-a"], { blobs: [LAYER] });
  assert.equal(kindOf(await plan()), "ImageTooLarge");
});

test("the record of a corrupt image is removed only when every node says that it has not got it", async () => {
  const { plan, questions } = setUp();
  const corrupt = { isCorrupt: true, reference: parseReference(`${REPOSITORY}@${DIGEST}`) };
  assert.equal(kindOf(await plan(corrupt)), "NoSource", "node-a has not answered");
  questions.lack("node-a");
  const finding = await plan(corrupt);
  assert.equal(finding.kind === "remove" && finding.digest, DIGEST);
  assert.equal(kindOf(await plan({ ...corrupt, isCorrupt: false })), "NoSource");
});

test("a node that has it and is not Ready keeps the record of a corrupt image from removal", async () => {
  const { plan, questions } = setUp([node("node-a", { ...HELD, isReady: false }), node("node-b")]);
  questions.have(["node-a"]);
  const corrupt = { isCorrupt: true, reference: parseReference(`${REPOSITORY}@${DIGEST}`) };
  const finding = await plan(corrupt);
  assert.equal(kindOf(finding), "NoSource");
  assert.match(finding.kind === "refused" ? finding.message : "", /node-a: the node is not Ready/);
});

test("without agents it tells where the image is, if that may be told, and nothing more", async () => {
  const { plan, questions } = setUp(NODES, { detectsOnly: true });
  questions.answers.clear();
  const finding = await plan();
  assert.equal(kindOf(finding), "NoAgent");
  assert.deepEqual("salvageable" in finding && finding.salvageable, { digest: DIGEST, holders: ["node-a"] });
  assert.equal(kindOf(await plan({ cause: "unauthorized" })), "NotAuthorized");
  const elsewhere = setUp([node("node-a"), node("node-b", HELD)], { detectsOnly: true });
  elsewhere.questions.answers.clear();
  assert.equal(kindOf(await elsewhere.plan()), "NoSource", "only the node itself has it");
});
