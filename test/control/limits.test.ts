import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { asJson, asList, fieldAt } from "../harness/apiserver/json.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { ASKS, startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

const HOUR_MS = 60 * 60_000;

/** Has many pods fail, each for an image of its own that three other nodes have and tell of. */
function manyFail(rig: SimulatedRig, count: number): readonly string[] {
  const nodes = rig.fleet.agents.map(({ node }) => node);
  const nodeAt = (at: number): string => nodes[at % nodes.length] ?? "";
  rig.createNamespace("shop");
  const names = Array.from({ length: count }, (_none, at) => `web-${at}`);
  const images = names.map((name, at) => rig.image(name, nodeAt(at), nodeAt(at + 2), nodeAt(at + 6)).name);
  rig.kubelets.publishImages();
  for (const [at, name] of names.entries()) {
    rig.createPod({ name, namespace: "shop", node: nodeAt(at * 7 + 3), image: images[at] ?? "" });
  }
  return names;
}

async function allRun(rig: SimulatedRig, names: readonly string[]): Promise<void> {
  await waitFor("every pod to run", () => names.every((name) => rig.isRunning("shop", name)), {
    timeoutMs: 60_000,
  });
}

const TWENTY = Array.from({ length: 20 }, (_none, at) => `node-${at}`);

test("50 images for 20 nodes: one transfer to a node, two from a node, and each image once", async (t) => {
  const rig = await startSimulatedRig(t, { nodes: TWENTY, transferMs: 200 });
  const names = manyFail(rig, 50);
  await allRun(rig, names);
  const { maxima, begun } = rig.fleet;
  assert.equal(begun.length, 50);
  assert.equal(maxima.perTarget, 1);
  assert.equal(maxima.perSource, 2, "places at sources are used, and no more");
  assert.ok(maxima.total > 2 && maxima.total <= 32, `${maxima.total} at the same time`);
  assert.equal(rig.records("shop").length, 50);
});

test("--max-concurrent-salvages bounds them all together", async (t) => {
  const rig = await startSimulatedRig(t, {
    nodes: TWENTY.slice(0, 8),
    transferMs: 50,
    args: ["--max-concurrent-salvages=3"],
  });
  const names = manyFail(rig, 8);
  await allRun(rig, names);
  assert.equal(rig.fleet.maxima.total, 3);
});

test("two namespaces that wait for one image on one node share a transfer, not the right to it", async (t) => {
  const rig = await startSimulatedRig(t);
  const image = rig.image("shared", "a");
  for (const namespace of ["one", "two"]) {
    rig.createNamespace(namespace);
    rig.createPod({ name: "web", namespace, node: "b", image: image.name });
  }
  // the content alone gives no right to another name
  rig.createNamespace("thief");
  const stolen = `registry.test:5000/thief@${image.digest}`;
  rig.createPod({ name: "web", namespace: "thief", node: "b", image: stolen });
  await rig.waitForRunning("one", "web");
  await rig.waitForRunning("two", "web");
  assert.equal((await rig.waitForEnd("thief")).reason, "NotAuthorized");
  assert.equal(rig.fleet.agent("b").bytesReceived, image.bytes);
});

test("the priority of a workload decides who comes next on a node", async (t) => {
  const rig = await startSimulatedRig(t, { transferMs: 50 });
  rig.createNamespace("shop");
  const release = rig.fleet.hold();
  const ask = (name: string, priority: string): string => {
    const image = rig.image(name, "a", "c");
    const annotations = { ...ASKS, "tote.dev/priority": priority };
    rig.createPod({ name, namespace: "shop", node: "b", image: image.name, annotations });
    return image.digest;
  };
  const order = [ask("first", "normal")];
  await waitFor("the first transfer", () => rig.fleet.running.length === 1);
  const low = ask("low", "low");
  const normal = ask("normal", "normal");
  await waitFor("both to wait", () => rig.records("shop").filter(isPlanned).length >= 2);
  const high = ask("high", "high");
  await waitFor("all to wait", () => rig.records("shop").filter(isPlanned).length >= 3);
  order.push(high, normal, low);
  release();
  await allRun(rig, ["first", "low", "normal", "high"]);
  assert.deepEqual(
    rig.fleet.begun.map(({ digest }) => digest),
    order,
  );
});

function isPlanned({ status }: ReturnType<SimulatedRig["records"]>[number]): boolean {
  return status.phase === "Pending" && status.plan !== undefined;
}

for (const [direction, milliseconds] of [
  ["forwards", 2 * HOUR_MS],
  ["back", -2 * HOUR_MS],
] as const) {
  test(`a clock that is set 2 h ${direction} in the middle of a transfer ends nothing`, async (t) => {
    const rig = await startSimulatedRig(t);
    rig.createNamespace("shop");
    const image = rig.image("web", "a");
    const release = rig.fleet.hold();
    rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
    // one that waits for its turn
    const next = rig.image("next", "a");
    rig.createPod({ name: "next", namespace: "shop", node: "b", image: next.name });
    await waitFor("half of the bytes", () => rig.fleet.running.length === 1);
    await waitFor("the other to wait", () => rig.records("shop").some(isPlanned));
    rig.clock.turn(milliseconds);
    // every open record is looked at once in 30 s
    for (let passed = 0; passed < 60; passed += 10) {
      rig.clock.skip(10_000);
      await sleep(50);
    }
    release();
    await allRun(rig, ["web", "next"]);
    const reasons = rig.records("shop").map(({ status }) => status.reason);
    assert.deepEqual(reasons, ["Salvaged", "Salvaged"]);
  });

  test(`a clock that is set 2 h ${direction} between two attempts does not put off the next`, async (t) => {
    const rig = await startSimulatedRig(t);
    rig.createNamespace("shop");
    const image = rig.image("web", "a");
    const release = rig.fleet.hold();
    rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
    await waitFor("half of the bytes", () => rig.fleet.agent("b").arrived(image.digest) > 0);
    await rig.fleet.agent("a").stop();
    release();
    await rig.waitForRecord(
      "shop",
      "waits for another attempt",
      ({ status }) => status.reason === "Retrying",
    );
    await rig.fleet.agent("a").start();
    rig.clock.turn(milliseconds);
    const before = rig.clock.monotonic();
    const begins = (): boolean => {
      rig.clock.skip(1_000);
      return rig.fleet.begun.length > 1;
    };
    // not so fast that agents which answer at once seem to be silent
    await waitFor("the next attempt", begins, { intervalMs: 300 });
    const waited = rig.clock.monotonic() - before;
    assert.ok(waited < 5 * 60_000, `it waited ${waited} ms`);
    await rig.waitForRunning("shop", "web");
  });

  test(`a clock that is set 2 h ${direction} before the kubelet is woken lets it sleep no longer`, async (t) => {
    const rig = await startSimulatedRig(t);
    const nudge = { verb: "patch", resource: "pods", subresource: "status" } as const;
    const remove = rig.server.faults.add({ kind: "status", status: 503, user: SERVICE_ACCOUNT, ...nudge });
    rig.createNamespace("shop");
    const image = rig.image("web", "a");
    rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
    await rig.waitForEnd("shop");
    await waitFor("a nudge that fails", () => rig.requests(nudge).length > 0);
    rig.clock.turn(milliseconds);
    remove();
    await waitFor("a nudge that does not", () => {
      rig.clock.skip(1_000);
      return rig.isRunning("shop", "web");
    });
    const { status } = await rig.waitForRecord("shop", "has recovered", (record) =>
      (record.status.transitions ?? []).some(({ type }) => type === "recovered"),
    );
    const { durationMs = 0 } = status.transitions?.at(-1) ?? {};
    assert.ok(durationMs < 120_000, `it took ${durationMs} ms by what the record says`);
  });
}

test("init and ephemeral containers are helped like others, and each image of a pod once", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const [init, main, debug] = ["init", "main", "debug"].map((title) => rig.image(title, "a").name);
  assert.ok(init !== undefined && main !== undefined && debug !== undefined);
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: main }, (pod) => ({
    ...pod,
    spec: {
      ...asJson(pod["spec"]),
      initContainers: [{ name: "setup", image: init }],
      ephemeralContainers: [{ name: "debugger", image: debug }],
    },
  }));
  await rig.waitForRunning("shop", "web");
  await waitFor("the ephemeral container to run", () => {
    const [state] = asList(fieldAt(rig.server.get("pods", "shop/web"), "status.ephemeralContainerStatuses"));
    return fieldAt(state, "state.running") !== undefined;
  });
  const origins = rig.records("shop").map(({ status }) => `${status.origin?.container}: ${status.reason}`);
  assert.deepEqual(origins.sort(), ["app: Salvaged", "debugger: Salvaged", "setup: Salvaged"]);
});
