import assert from "node:assert/strict";
import { test } from "node:test";

import { asList, asText, fieldAt } from "../harness/apiserver/json.ts";
import { simulatedImage } from "../harness/simulated/image.ts";
import { waitFor } from "../harness/wait.ts";
import { startController } from "./controller-process.ts";
import { orderManifest } from "./objects.ts";
import { ASKS, REGISTRY, startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

const NODES = ["a", "b", "c", "d", "e"];
const SET = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-5d", uid: "uid-web-5d" };

/** Waits until a pod that does not ask for help runs: what it says counts as evidence. */
async function runs(
  rig: SimulatedRig,
  pod: { readonly name: string; readonly node: string; readonly image: string; readonly owner?: typeof SET },
): Promise<void> {
  const { name } = pod;
  rig.createPod({ namespace: "shop", owner: SET, annotations: {}, ...pod });
  await rig.waitForRunning("shop", name);
}

test("old content under a tag on three nodes, and in older pods, counts for nothing against one sibling with the new one", async (t) => {
  const rig = await startSimulatedRig(t, { nodes: NODES });
  rig.createNamespace("shop");
  const old = rig.image("web", "a", "b", "c");
  const fresh = simulatedImage("web, built anew");
  rig.fleet.agent("d").put(fresh, old.name);
  rig.kubelets.publishImages();
  const image = old.name;
  for (const node of ["a", "b"]) {
    await runs(rig, {
      name: `older-${node}`,
      node,
      image,
      owner: { ...SET, name: "web-4c", uid: "uid-web-4c" },
    });
  }
  await runs(rig, { name: "sibling", node: "d", image });
  rig.createPod({ name: "fails", namespace: "shop", node: "e", image: old.name, owner: SET });
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Completed", status.message);
  assert.equal(status.plan?.digest, fresh.digest);
  assert.deepEqual(status.sources, ["d"]);
});

test("two siblings that disagree make the tag ambiguous, and nothing moves", async (t) => {
  const rig = await startSimulatedRig(t, { nodes: NODES });
  rig.createNamespace("shop");
  const one = rig.image("web", "a", "b");
  const other = simulatedImage("web, built anew");
  rig.fleet.agent("d").put(other, one.name);
  await runs(rig, { name: "sibling-1", node: "a", image: one.name });
  await runs(rig, { name: "sibling-2", node: "d", image: one.name });
  rig.createPod({ name: "fails", namespace: "shop", node: "e", image: one.name, owner: SET });
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Refused");
  assert.equal(status.reason, "ImageAmbiguous");
  assert.match(status.message ?? "", new RegExp(one.digest));
  assert.match(status.message ?? "", new RegExp(other.digest));
  assert.equal(rig.fleet.begun.length, 0);
});

test("what runs in another namespace says nothing about a tag in this one", async (t) => {
  const rig = await startSimulatedRig(t, { nodes: NODES });
  rig.createNamespace("shop");
  rig.createNamespace("other");
  const image = rig.image("web", "a");
  rig.createPod({ name: "theirs", namespace: "other", node: "a", image: image.name, annotations: {} });
  await rig.waitForRunning("other", "theirs");
  const foreign = simulatedImage("web of somebody else");
  rig.fleet.agent("c").put(foreign, image.name);
  rig.createPod({ name: "fails", namespace: "shop", node: "e", image: image.name });
  assert.equal((await rig.waitForEnd("shop")).reason, "ImageAmbiguous");
});

test("namespaces of the system are never touched, whatever their annotations say", async (t) => {
  const rig = await startSimulatedRig(t);
  const image = rig.image("web", "a");
  rig.createNamespace("shop");
  rig.createNamespace("kube-system");
  rig.createPod({ name: "web", namespace: "kube-system", node: "b", image: image.name });
  const order = orderManifest("by-hand", "kube-system", { imageRef: image.name, targetNode: "b" });
  rig.server.put({
    ...order,
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: { ...order.metadata },
  });
  rig.createPod({ name: "web", namespace: "shop", node: "c", image: image.name });
  await rig.waitForRunning("shop", "web");
  const status = await rig.waitForEnd("kube-system");
  assert.equal(status.reason, "NamespaceDenied");
  assert.equal(rig.records("kube-system").length, 1, "only the order itself");
  assert.deepEqual(
    rig.fleet.begun.map(({ target }) => target),
    ["c"],
  );
});

/** Images as somebody might write them to do harm; none of them is a legal name. */
const HOSTILE = [
  "x".repeat(10_000),
  `${REGISTRY}/${"y".repeat(10_000)}:v1`,
  `${REGISTRY}/web:v1"; touch /tmp/owned; "`,
  `${REGISTRY}/web:v1\nlevel=error msg="forged line"`,
  `${REGISTRY}/web:v1\r\n\r\n{"level":"error","msg":"forged line"}`,
  `${REGISTRY}/\u202e\u0000\u001b[31mrot:v1`,
  `${REGISTRY}/bücher/🦉:v1`,
  "../../../../etc/passwd",
  `${REGISTRY}/web@sha256:${"0".repeat(63)}`,
  `${REGISTRY}/web@sha256:${"g".repeat(64)}`,
  "{{.Values.image}}",
  "$(reboot)",
  " ",
  "http://images.test/web:v1",
  "\ud800 half a pair",
  "__proto__",
];

test("images that are no names, of any length and with any character, are refused without harm to others", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  rig.createNamespace("evil");
  for (const [at, image] of HOSTILE.entries()) {
    rig.createPod({ name: `evil-${at}`, namespace: "evil", node: "b", image });
  }
  await waitFor(
    "every one to be refused",
    () => rig.records("evil").filter(({ status }) => status.phase === "Refused").length === HOSTILE.length,
  );
  const good = rig.image("good", "a");
  rig.createPod({ name: "good", namespace: "shop", node: "b", image: good.name });
  await rig.waitForRunning("shop", "good");

  for (const { metadata, status } of rig.records("evil")) {
    assert.match(metadata.name, /^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$/);
    assert.match(
      status.reason ?? "",
      /^(InvalidImageName|ImageUnresolved|ImageNotActionable|InvalidReference)/,
    );
    for (const label of Object.values(metadata.labels)) assert.match(label, /^[A-Za-z0-9_.-]{0,63}$/);
    assert.ok(JSON.stringify(status).length < 20_000, "what is kept is bounded");
  }
  // an Event is written after its record: the last one may be under way
  const events = await waitFor("the Events", () => {
    const found = rig.server.list("events", "evil");
    return found.length >= HOSTILE.length ? found : undefined;
  });
  for (const event of events) {
    const note = asText(event["note"]);
    assert.ok(Buffer.byteLength(note) <= 1024);
    assert.equal(note.isWellFormed(), true);
  }
  for (const line of rig.controller.logs) {
    assert.equal(line.indexOf("\n"), line.length - 1, "a line is one line");
    assert.doesNotThrow(() => void JSON.parse(line));
    assert.ok(line.length < 20_000);
  }
  assert.equal(rig.controller.readiness().ready, true);
  assert.deepEqual(
    rig.fleet.begun.map(({ target, digest }) => [target, digest]),
    [["b", good.digest]],
  );
});

test("messages, annotations and labels of any length and with any character do no harm", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const nasty = `\u0000\u001b[2J"'\`\n${"🦉".repeat(100_000)}\ud800`;
  rig.kubelets.failWith((image) => `${nasty} failed to pull "${image}": connection refused ${nasty}`);
  const image = rig.image("web", "a");
  const annotations = { ...ASKS, "tote.dev/priority": nasty, "tote.dev/salvaged-at": nasty, other: nasty };
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name, annotations });
  await rig.waitForRunning("shop", "web");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Completed", status.message);
  for (const { message = "" } of status.transitions ?? []) {
    assert.ok(message.length <= 1024);
    assert.equal(message.isWellFormed(), true);
  }
  for (const line of rig.controller.logs) assert.doesNotThrow(() => void JSON.parse(line));
});

test("a pod with a thousand failing containers makes no thousand records", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  const others = Array.from({ length: 1000 }, (_none, at) => ({
    name: `c-${at}`,
    image: `${REGISTRY}/none-${at}:v1`,
  }));
  rig.createPod({ name: "many", namespace: "shop", node: "b", image: image.name }, (pod) => ({
    ...pod,
    spec: {
      nodeName: "b",
      containers: [...asList(fieldAt(pod["spec"], "containers")), ...others],
    },
  }));
  rig.createPod({ name: "web", namespace: "shop", node: "c", image: image.name });
  await rig.waitForRunning("shop", "web");
  await waitFor("its records", () => rig.records("shop").length > 2);
  // those of the first 32, and of who takes the place of one that got its image
  assert.ok(rig.records("shop").length < 50, `${rig.records("shop").length} records`);
});

test("with --enabled=false the API server is not even asked", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  const controller = await startController({
    cleanup: rig.cleanup,
    kubeconfig: rig.server.kubeconfigPath(),
    certDir: "/nowhere",
    agents: {},
    args: ["--enabled=false"],
  });
  assert.match(controller.logs(), /switched off with --enabled=false/);
  assert.deepEqual(rig.server.requests, []);
  await controller.stop();
});
