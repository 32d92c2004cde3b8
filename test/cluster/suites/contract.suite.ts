import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";

import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { podImage } from "../images.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container, deployment, order } from "../workloads.ts";

describe("what tote does in a real cluster, as its users see it", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
    await scene.cluster.registry.start();
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  test("every node is ready, and pods run on each", async () => {
    const namespace = await scene.namespace("runs");
    const image = await scene.push(await podImage(scene.title("runs")));
    const containers = [container(image.reference)];
    await scene.apply(deployment({ name: "web", namespace, containers, replicas: 3 }));
    const pods = await scene.waitForRunning(namespace, 3);
    assert.deepEqual(pods.map(({ node }) => node).toSorted(), ["n1", "n2", "n3"]);
    for (const { name } of pods) assert.equal((await scene.logs(namespace, name)).trim(), image.output);
    const versions = new Set(scene.cluster.nodes.map(({ containerd }) => containerd.version.slice(0, 3)));
    assert.deepEqual([...versions].toSorted(), ["1.6", "1.7"]);
  });

  test("agents have a network of their own, as pods have", () => {
    const network = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);
    for (const { name, containerd } of scene.cluster.nodes) {
      assert.notEqual(network(scene.tote.agent(name).pid), network(containerd.pid), name);
    }
  });

  test("an order by hand completes, kubectl shows it, and a pod runs from it", async () => {
    const { kubectl } = scene.cluster;
    const namespace = await scene.namespace("order");
    const image = await scene.push(await podImage(scene.title("order"), 20_000_000));
    await scene.apply(
      barePod({ name: "has", namespace, node: "n1", containers: [container(image.reference)] }),
    );
    await scene.waitForRunning(namespace, 1);
    await scene.apply(order(namespace, { imageRef: image.reference, targetNode: "n2" }));
    const { status } = await scene.waitForRecord(namespace, "has ended", (record) => {
      return record.status.completedAt !== undefined;
    });
    assert.equal(status.phase, "Completed", status.message);
    assert.deepEqual(status.sources, ["n1"]);

    const { stdout: table } = await kubectl(["get", "salvagerecords", "-n", namespace]);
    const [, row = ""] = table.split("\n");
    assert.match(row, new RegExp(`^by-hand +${image.image.descriptor.digest} +n1 +n2 +Completed +`));

    await scene.cluster.registry.stop();
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "gets", namespace, node: "n2", containers }));
    const pods = await scene.waitForRunning(namespace, 2);
    assert.equal(pods.length, 2);
    assert.equal((await scene.logs(namespace, "gets")).trim(), image.output);
    await scene.cluster.registry.start();
  });

  test("kubectl get events tells people what happened to their pods", async () => {
    const namespace = await scene.namespace("told");
    const image = await scene.push(await podImage(scene.title("told")));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "has", namespace, node: "n1", containers }));
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    await scene.apply(barePod({ name: "fails", namespace, node: "n2", containers }));
    await scene.waitForRunning(namespace, 2);
    await scene.cluster.registry.start();
    const told = await scene.waitIn(namespace, "tote's Events", async () => {
      const { stdout } = await scene.cluster.kubectl(["get", "events", "-n", namespace]);
      return /ImageSalvaged/.test(stdout) && stdout;
    });
    assert.match(told, /pod\/fails +.*n1/, "an Event about the pod names the source");
    const types = (): readonly string[] =>
      scene.tote.sink.events.filter(({ body }) => body.includes(`"${namespace}"`)).map(({ type }) => type);
    await scene.waitIn(namespace, "the receiver behind the relay to be told", () =>
      Promise.resolve(types().includes("tote.image.recovered")),
    );
    const wanted = ["detected", "salvageable", "salvaged", "recovered"].map((type) => `tote.image.${type}`);
    assert.deepEqual(types().toSorted(), wanted.toSorted());
  });
});
