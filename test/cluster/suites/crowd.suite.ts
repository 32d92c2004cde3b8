import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus } from "../../harness/cri.ts";
import { podImage } from "../images.ts";
import { openScene, type Scene } from "../scene.ts";
import { ASKS, barePod, container, deployment } from "../workloads.ts";

const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
const WORKLOADS = 20;

describe("many at once, and those who did not ask", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  test("a workload that is drained from its node runs on another", async (t) => {
    const { kubectl, registry } = scene.cluster;
    await registry.start();
    const namespace = await scene.namespace("drain");
    const image = await scene.push(await podImage(scene.title("drain")));
    await scene.apply(deployment({ name: "web", namespace, containers: [container(image.reference)] }));
    const [first] = await scene.waitForRunning(namespace, 1);
    assert.ok(first);
    await registry.stop();
    t.after(async () => void (await kubectl(["uncordon", first.node])));
    // the node's other pods belong to other tests
    scene.expectGone(namespace, first.name);
    await kubectl(["drain", first.node, "--pod-selector=app=web", "--ignore-daemonsets"]);
    const [second] = await scene.waitForRunning(namespace, 1);
    assert.ok(second);
    assert.notEqual(second.node, first.node);
    assert.equal((await scene.logs(namespace, second.name)).trim(), image.output);
    const [record] = await scene.records(namespace);
    assert.deepEqual(record?.status.sources, [first.node]);
  });

  test(`${WORKLOADS} workloads at once`, async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("crowd");
    const images = await Promise.all(
      Array.from({ length: WORKLOADS }, (_none, at) => podImage(scene.title(`crowd-${at}`), 300_000)),
    );
    for (const image of images) await scene.push(image);
    const workloads = (replicas: number) =>
      images.map(({ reference }, at) =>
        deployment({ name: `web-${at}`, namespace, containers: [container(reference)], replicas }),
      );
    await scene.apply(...workloads(1));
    await scene.waitForRunning(namespace, WORKLOADS, 240_000);
    await scene.cluster.registry.stop();
    await scene.apply(...workloads(2));
    const pods = await scene.waitForRunning(namespace, 2 * WORKLOADS, 300_000);
    for (const [at, image] of images.entries()) {
      const own = pods.filter(({ name }) => name.startsWith(`web-${at}-`));
      assert.equal(own.length, 2);
      for (const { name } of own) assert.equal((await scene.logs(namespace, name)).trim(), image.output);
    }
    assert.equal((await scene.records(namespace)).length, WORKLOADS);
  });

  test("imagePullPolicy Always is reported, with what to do, and nothing moves", async () => {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace("always");
    const image = await scene.push(await podImage(scene.title("always")));
    await scene.apply(
      barePod({ name: "has", namespace, node: "n1", containers: [container(image.reference)] }),
    );
    await scene.waitForRunning(namespace, 1);
    await scene.cluster.registry.stop();
    const containers = [container(image.reference, { imagePullPolicy: "Always" })];
    await scene.apply(barePod({ name: "always", namespace, node: "n2", containers }));
    const { status } = await scene.waitForRecord(namespace, "has ended", hasEnded);
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "PullPolicyAlways");
    assert.match(status.message ?? "", /IfNotPresent/);
    assert.equal(await imageStatus(scene.cluster.node("n2").containerd, image.reference), undefined);
    await scene.waitForEvent(
      namespace,
      "on the pod, with what to do",
      ({ about, message }) => about === "always" && message.includes("IfNotPresent"),
    );
  });

  test("without opt-in nothing is touched", async () => {
    await scene.cluster.registry.start();
    const open = await scene.namespace("open");
    const closed = await scene.namespace("closed", {});
    const image = await scene.push(await podImage(scene.title("optin")));
    const [asked, silent] = [await podImage(scene.title("asked")), await podImage(scene.title("silent"))];
    for (const one of [asked, silent]) await scene.push(one);
    const all = [image, asked, silent].map(({ reference }, at) => container(reference, { name: `c${at}` }));
    await scene.apply(barePod({ name: "has", namespace: open, node: "n1", containers: all }));
    await scene.waitForRunning(open, 1);
    await scene.cluster.registry.stop();
    await scene.apply(
      barePod({ name: "closed", namespace: closed, node: "n2", containers: [container(asked.reference)] }),
      barePod({
        name: "silent",
        namespace: open,
        node: "n2",
        containers: [container(silent.reference)],
        annotations: {},
      }),
    );
    await scene.waitForPods(closed, "waits for its image", (pods) =>
      pods.some(({ containers }) => containers[0]?.reason === "ImagePullBackOff"),
    );
    // one that asks, later than the others: when it is served, they have had their chance
    await scene.apply(
      barePod({
        name: "asks",
        namespace: open,
        node: "n2",
        containers: [container(image.reference)],
        annotations: ASKS,
      }),
    );
    await scene.waitForPods(open, "the one that asks runs", (pods) =>
      pods.some(({ name, isReady }) => name === "asks" && isReady),
    );
    assert.deepEqual(await scene.records(closed), []);
    assert.equal((await scene.records(open)).length, 1);
    const { containerd } = scene.cluster.node("n2");
    for (const { reference } of [asked, silent]) {
      assert.equal(await imageStatus(containerd, reference), undefined, reference);
    }
    const pods = [...(await scene.pods(open)), ...(await scene.pods(closed))];
    for (const { name, isReady } of pods) assert.equal(isReady, name === "has" || name === "asks", name);
    for (const { name, annotations } of pods.filter(
      ({ name: one }) => one === "closed" || one === "silent",
    )) {
      const own = Object.keys(annotations).filter((key) => key.startsWith("tote.dev/"));
      // one asks, in a namespace that does not allow it
      assert.deepEqual(own, name === "closed" ? Object.keys(ASKS) : [], `annotations of ${name}`);
    }
    const said = [...(await scene.events(open)), ...(await scene.events(closed))]
      .filter(({ about }) => about === "closed" || about === "silent")
      .map(({ source, reason }) => ({ source, reason }));
    assert.ok(said.length > 0, "the kubelet has said something");
    assert.deepEqual(
      said.filter(({ source }) => source !== "kubelet" && source !== "default-scheduler"),
      [],
      "Events of tote",
    );
  });
});
