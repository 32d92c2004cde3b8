import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { podImage, podIndex, PRINT_TITLE } from "../images.ts";
import type { PodView } from "../pods.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container, daemonSet, deployment, job, statefulSet } from "../workloads.ts";

describe("the registry is gone, and the pods run", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
    await scene.cluster.registry.start();
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** All pods print the image's words, and no pod was made anew. */
  async function assertOutput(
    namespace: string,
    pods: readonly PodView[],
    output: string,
    name?: string,
  ): Promise<void> {
    for (const { name: pod } of pods) assert.equal((await scene.logs(namespace, pod, name)).trim(), output);
  }

  /** One pod per node, each with the image that the registry is gone with. */
  async function assertEverywhere(namespace: string, output: string): Promise<void> {
    const pods = await scene.waitForRunning(namespace, 3);
    assert.equal(new Set(pods.map(({ node }) => node)).size, 3);
    await assertOutput(namespace, pods, output);
    // a pod may run before its record says so
    await scene.waitIn(namespace, "all records to be completed", async () =>
      (await scene.records(namespace)).every(({ status }) => status.phase === "Completed"),
    );
  }

  test("a Deployment by tag, pulled on one node and scaled to three", async () => {
    const namespace = await scene.namespace("tag");
    const image = await scene.push(await podImage(scene.title("tag")));
    await scene.apply(deployment({ name: "web", namespace, containers: [container(image.reference)] }));
    const [first] = await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.scale(namespace, "deployment/web", 3);
    await assertEverywhere(namespace, image.output);
    const uids = (await scene.pods(namespace)).map(({ uid }) => uid);
    assert.ok(uids.includes(first?.uid ?? ""), "the first pod was left alone");
    const records = await scene.records(namespace);
    assert.equal(records.length, 2);
    for (const { status } of records) {
      assert.equal(status.origin?.ownerKind, "Deployment");
      assert.equal(status.origin?.cause, "unreachable");
      assert.equal(status.plan?.digest, image.image.descriptor.digest);
    }
  });

  test("a Deployment by digest", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("digest");
    const image = await scene.push(await podImage(scene.title("digest")));
    await scene.apply(deployment({ name: "web", namespace, containers: [container(image.digestReference)] }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.scale(namespace, "deployment/web", 3);
    await assertEverywhere(namespace, image.output);
  });

  test("a Deployment with an image for several platforms", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("index");
    const image = await scene.push(await podIndex(scene.title("index")));
    await scene.apply(deployment({ name: "web", namespace, containers: [container(image.reference)] }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.scale(namespace, "deployment/web", 3);
    await assertEverywhere(namespace, image.output);
    for (const { status } of await scene.records(namespace)) {
      assert.equal(status.plan?.digest, image.image.descriptor.digest);
    }
  });

  test("an init container", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("init");
    const [image, init] = [await podImage(scene.title("main")), await podImage(scene.title("init"))];
    await scene.push(image);
    await scene.push(init);
    const initContainers = [container(init.reference, { name: "prepare", command: PRINT_TITLE })];
    const containers = [container(image.reference)];
    await scene.apply(deployment({ name: "web", namespace, containers, initContainers }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.scale(namespace, "deployment/web", 3);
    const pods = await scene.waitForRunning(namespace, 3);
    await assertOutput(namespace, pods, image.output);
    await assertOutput(namespace, pods, init.output, "prepare");
  });

  test("a StatefulSet", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("set");
    const image = await scene.push(await podImage(scene.title("set")));
    await scene.apply(statefulSet({ name: "db", namespace, containers: [container(image.reference)] }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.scale(namespace, "statefulset/db", 3);
    await assertEverywhere(namespace, image.output);
  });

  test("a Job", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("job");
    const image = await scene.push(await podImage(scene.title("job")));
    const seed = { name: "seed", namespace, node: "n1", containers: [container(image.reference)] };
    await scene.apply(barePod(seed));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    const containers = [container(image.reference, { command: PRINT_TITLE })];
    await scene.apply(job({ name: "once", namespace, node: "n2", containers }));
    const pods = await scene.waitForPods(namespace, "the Job's has succeeded", (all) =>
      all.some(({ phase }) => phase === "Succeeded"),
    );
    await assertOutput(namespace, pods, image.output);
    assert.equal(pods.length, 2, "the Job needed one pod");
  });

  test("a bare pod", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("bare");
    const image = await scene.push(await podImage(scene.title("bare")));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "one", namespace, node: "n2", containers }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.apply(barePod({ name: "two", namespace, node: "n3", containers }));
    await assertOutput(namespace, await scene.waitForRunning(namespace, 2), image.output);
  });

  test("a pod of two containers of which one has its image", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("two");
    const [own, common] = [await podImage(scene.title("own")), await podImage(scene.title("common"))];
    await scene.push(own);
    await scene.push(common);
    const containers = [container(common.reference), container(own.reference, { name: "second" })];
    await scene.apply(barePod({ name: "both", namespace, node: "n1", containers }));
    await scene.apply(
      barePod({ name: "common", namespace, node: "n2", containers: [container(common.reference)] }),
    );
    await scene.waitForRunning(namespace, 2);
    await scene.cluster.registry.stop();
    await scene.apply(barePod({ name: "fails", namespace, node: "n2", containers }));
    const pods = await scene.waitForRunning(namespace, 3);
    const fails = pods.filter(({ name }) => name === "fails");
    await assertOutput(namespace, fails, common.output, "app");
    await assertOutput(namespace, fails, own.output, "second");
    const app = fails[0]?.containers.find(({ name }) => name === "app");
    assert.equal(app?.restarts, 0, "the container that ran was left alone");
    assert.equal((await scene.records(namespace)).length, 1);
  });

  test("a DaemonSet on all nodes", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("daemons");
    const image = await scene.push(await podImage(scene.title("daemons")));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "seed", namespace, node: "n3", containers }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.apply(daemonSet({ name: "everywhere", namespace, containers }));
    await assertOutput(namespace, await scene.waitForRunning(namespace, 4), image.output);
  });
});
