import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";

import type { ApiClient } from "../../../controller/kube/api-client.ts";
import { PODS } from "../../../controller/kube/resources.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { kubeClient } from "../../harness/kube-client.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage } from "../images.ts";
import { openScene, type Scene } from "../scene.ts";
import { barePod, container, deployment, order, type Manifest } from "../workloads.ts";

const signal = new AbortController().signal;

describe("what tote and the API server agree on", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  /** as the controller's service account */
  let own: ApiClient;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
    const server = { kubeconfigPath: () => scene.tote.kubeconfig };
    own = (await kubeClient({ server, cleanup })).api;
    await scene.cluster.registry.start();
  });
  after(async () => {
    await scene.cluster.registry.stop();
    await cleanup.run();
  });

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

  test("a patch of a pod's status brings an annotation through, and no image", async () => {
    const namespace = await scene.namespace("nudge");
    const image = await scene.push(await podImage(scene.title("nudge")));
    await scene.apply(
      barePod({ name: "web", namespace, node: "n1", containers: [container(image.reference)] }),
    );
    await scene.waitForRunning(namespace, 1);
    const key = { namespace, name: "web" };
    await own.patch(
      PODS,
      key,
      {
        metadata: { annotations: { "tote.dev/nudged-at": "now" } },
        spec: { containers: [{ name: "app", image: "evil" }] },
      },
      { signal, subresource: "status" },
    );
    const now: Manifest = { ...(await scene.api.get(PODS, key, { signal })) };
    assert.match(JSON.stringify(now["metadata"]), /"tote.dev\/nudged-at":"now"/);
    assert.doesNotMatch(JSON.stringify(now["spec"]), /evil/);
  });

  test("an order by hand completes; kubectl shows it in columns, and as it goes", async () => {
    const { kubectl, kubeconfig, binaries } = scene.cluster;
    const namespace = await scene.namespace("order");
    const image = await scene.push(await podImage(scene.title("order"), 20_000_000));
    await scene.apply(
      barePod({ name: "has", namespace, node: "n1", containers: [container(image.reference)] }),
    );
    await scene.waitForRunning(namespace, 1);
    const args = ["--kubeconfig", kubeconfig, "get", "salvagerecords", "-n", namespace, "-w"];
    const watch = spawn(binaries.kubectl, args, { stdio: ["ignore", "pipe", "ignore"] });
    cleanup.add({ name: "end kubectl -w", undo: () => Promise.resolve(void watch.kill()) });
    let watched = "";
    watch.stdout.on("data", (piece: Buffer) => (watched += piece.toString()));
    await scene.apply(order(namespace, { imageRef: image.reference, targetNode: "n2" }));
    const { status } = await scene.waitForRecord(namespace, "has ended", (record) => {
      return record.status.completedAt !== undefined;
    });
    assert.equal(status.phase, "Completed", status.message);
    assert.deepEqual(status.sources, ["n1"]);

    const { stdout: table } = await kubectl(["get", "salvagerecords", "-n", namespace]);
    const [head = "", row = ""] = table.split("\n");
    assert.deepEqual(head.trim().split(/\s+/), [
      "NAME",
      "DIGEST",
      "SOURCE",
      "TARGET",
      "PHASE",
      "PROGRESS",
      "REASON",
      "AGE",
    ]);
    assert.match(row, new RegExp(`^by-hand +${image.image.descriptor.digest} +n1 +n2 +Completed +`));
    await waitFor("the watch to show the end", () => /^by-hand .* Completed/m.test(watched), {
      timeoutMs: 30_000,
    });
    watch.kill();
    for (const line of watched.trim().split("\n")) assert.ok(line.length < 200, `too long to read: ${line}`);

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
    const told = await waitFor(
      "tote's Events",
      async () => {
        const { stdout } = await scene.cluster.kubectl(["get", "events", "-n", namespace]);
        return /ImageSalvaged/.test(stdout) ? stdout : undefined;
      },
      { timeoutMs: 30_000, intervalMs: 300 },
    );
    assert.match(told, /pod\/fails +.*n1/, "an Event about the pod names the source");
    const types = await waitFor(
      "the receiver behind the relay to be told",
      () => {
        const about = scene.tote.sink.events.filter(({ body }) => body.includes(`"${namespace}"`));
        return about.some(({ type }) => type === "tote.image.recovered") && about.map(({ type }) => type);
      },
      { timeoutMs: 60_000, intervalMs: 300 },
    );
    const wanted = ["detected", "salvageable", "salvaged", "recovered"].map((type) => `tote.image.${type}`);
    assert.deepEqual(types.toSorted(), wanted.toSorted());
  });
});
