import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { bytesReceived, bytesSent } from "../../harness/agent-metrics.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage, type PodImage } from "../images.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container } from "../workloads.ts";

const megabyte = 1_000_000;
/** the kubelet counts a node as gone after 40 s, and a lease of the controller ends after 15 s */
const patienceMs = 240_000;

describe("a transfer is interrupted, and the pod runs all the same", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    // a transfer of 24 MB takes 6 s at least: time enough to break it
    scene = await openScene(cleanup, { agentArgs: ["--max-bandwidth", "4Mi"] });
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** An image on the nodes given, the registry gone, and a pod on another whose image is on its way. */
  async function midTransfer(
    title: string,
    target: string,
    sources: readonly string[],
  ): Promise<{ namespace: string; image: PodImage }> {
    const { cluster, tote } = scene;
    await cluster.registry.start();
    const namespace = await scene.namespace(title);
    const image = await scene.push(await podImage(scene.title(title), 24 * megabyte));
    const containers = [container(image.reference)];
    await scene.apply(
      ...sources.map((node) => barePod({ name: `has-${node}`, namespace, node, containers })),
    );
    await scene.waitForRunning(namespace, sources.length);
    await cluster.registry.stop();
    const earlier = await bytesReceived(tote.agent(target));
    await scene.apply(barePod({ name: "wants", namespace, node: target, containers }));
    await scene.waitIn(
      namespace,
      `some megabytes of the image to be on ${target}`,
      async () => (await bytesReceived(tote.agent(target))) - earlier > 4 * megabyte,
      patienceMs,
    );
    const [record] = await scene.records(namespace);
    assert.equal(record?.status.phase, "Transferring", "it is under way when it is broken");
    return { namespace, image };
  }

  async function endsWell(state: { namespace: string; image: PodImage }): Promise<SalvageRecord["status"]> {
    const { namespace, image } = state;
    await scene.waitForPods(
      namespace,
      "the one that waits runs",
      (pods) => pods.some(({ name, isReady }) => name === "wants" && isReady),
      patienceMs,
    );
    assert.equal((await scene.logs(namespace, "wants")).trim(), image.output);
    const record = await scene.waitForRecord(
      namespace,
      "has recovered",
      ({ status }) => (status.transitions ?? []).some(({ type }) => type === "recovered"),
      patienceMs,
    );
    assert.equal(record.status.phase, "Completed", record.status.message);
    return record.status;
  }

  test("the target's containerd restarts", async () => {
    const state = await midTransfer("containerd", "n2", ["n1"]);
    await scene.cluster.node("n2").containerd.restart();
    await endsWell(state);
  });

  test("the source's containerd restarts", async () => {
    const state = await midTransfer("source", "n3", ["n1"]);
    await scene.cluster.node("n1").containerd.restart();
    await endsWell(state);
  });

  test("the controller is killed", async () => {
    const state = await midTransfer("controller", "n2", ["n1"]);
    await scene.tote.controller.kill();
    await scene.tote.restartController();
    await endsWell(state);
  });

  test("the target's agent is killed", async () => {
    const state = await midTransfer("agent", "n2", ["n1"]);
    const agent = scene.tote.agent("n2");
    await agent.kill();
    await agent.restart();
    const { attempts = 0, bytesReused = 0 } = await endsWell(state);
    assert.ok(attempts >= 2 || bytesReused > 0, `${attempts} attempts, ${bytesReused} bytes used again`);
  });

  test("the source's agent is killed, and another node has the image", async () => {
    const state = await midTransfer("two", "n2", ["n1", "n3"]);
    const [record] = await scene.records(state.namespace);
    const sources = record?.status.plan?.sources ?? [];
    assert.deepEqual(sources.toSorted(), ["n1", "n3"]);
    const [killed, other] = sources.map((node) => scene.tote.agent(node));
    assert.ok(killed !== undefined && other !== undefined);
    await killed.kill();
    const earlier = await bytesSent(other);
    await endsWell(state);
    const later = await bytesSent(other);
    assert.ok(later - earlier > megabyte, `${other.name} has sent ${later - earlier} bytes since`);
    await killed.restart();
  });

  test("the only source is drained", async (t) => {
    const { kubectl } = scene.cluster;
    const state = await midTransfer("drained", "n2", ["n1"]);
    t.after(async () => void (await kubectl(["uncordon", "n1"])));
    await kubectl(["cordon", "n1"]);
    scene.expectGone(state.namespace, "has-n1");
    await kubectl(["delete", "pod", "has-n1", "--namespace", state.namespace, "--wait=false"]);
    await endsWell(state);
  });

  test("the target's Node object is deleted, and registered anew", async () => {
    const { cluster } = scene;
    const { kubectl, binaries } = cluster;
    const { namespace, image } = await midTransfer("deleted", "n3", ["n1"]);
    // the control plane deletes pods of nodes that stay away
    scene.expectGone(namespace, "wants");
    await kubectl(["delete", "node", "n3"]);
    const { status } = await scene.waitForRecord(
      namespace,
      "has ended",
      (record) => record.status.completedAt !== undefined,
    );
    assert.equal(status.phase, "Failed", status.message);
    assert.equal(status.reason, "TargetGone");
    const target = cluster.node("n3");
    await target.stopKubelet();
    await target.startKubelet(binaries.kubelet);
    await kubectl.waitFor("Ready", ["node/n3"], { timeoutMs: patienceMs });
    // does nothing when it is still there
    await scene.apply(
      barePod({ name: "wants", namespace, node: "n3", containers: [container(image.reference)] }),
    );
    await endsWell({ namespace, image });
  });

  test("the API server is away for 30 s", async () => {
    const state = await midTransfer("api", "n3", ["n1"]);
    await scene.cluster.stopApiServer();
    // that long is what the test is about
    await new Promise((resolve) => setTimeout(resolve, 30_000));
    scene.cluster.startApiServer();
    await waitFor("the API server", async () => (await scene.records(state.namespace)).length > 0, {
      timeoutMs: patienceMs,
      intervalMs: 500,
    });
    await endsWell(state);
  });
});
