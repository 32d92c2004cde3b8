import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../../controller/objects/salvage-record.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { imageStatus } from "../../harness/cri.ts";
import { podImage, type PodImage } from "../images.ts";
import type { RegistryHang } from "../registry.ts";
import { openScene, type EventView, type Scene } from "../scene.ts";
import { barePod, container, deployment } from "../workloads.ts";

const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
/** for a machine with much to do */
const SLACK_MS = 15_000;
const patienceMs = 240_000;
/** how long a pull must say nothing before tote calls it hung, and then some */
const hungMs = 300_000;

describe("the registry is there, and does not give the image", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** An image that runs as pod "has" of a namespace on node n1, pulled while all was well. */
  async function pulledOnce(title: string): Promise<{ namespace: string; image: PodImage }> {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace(title);
    const image = await scene.push(await podImage(scene.title(title)));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "has", namespace, node: "n1", containers }));
    await scene.waitForRunning(namespace, 1);
    return { namespace, image };
  }

  const ofWanting =
    (reason: string) =>
    (event: EventView): boolean =>
      event.about === "wants" && event.reason === reason;

  test("404: the image was deleted from a registry that is up", async () => {
    const { namespace, image } = await pulledOnce("gone");
    await scene.cluster.registry.wipe();
    await scene.cluster.registry.start();
    const containers = [container(image.reference)];
    await scene.apply(deployment({ name: "web", namespace, node: "n2", containers }));
    const pods = await scene.waitForRunning(namespace, 2);
    for (const { name } of pods) assert.equal((await scene.logs(namespace, name)).trim(), image.output);
    const [record] = await scene.records(namespace);
    assert.equal(record?.status.origin?.cause, "not_found");
  });

  test("401: salvaged where a pod of the namespace runs that digest, refused for another namespace", async () => {
    const { namespace, image } = await pulledOnce("secret");
    const other = await scene.namespace("thief");
    await scene.cluster.registry.start({ auth: true });
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "steals", namespace: other, node: "n3", containers }));
    const refused = await scene.waitForRecord(other, "has ended", hasEnded);
    assert.equal(refused.status.phase, "Refused", refused.status.message);
    assert.equal(refused.status.reason, "NotAuthorized");
    assert.equal(refused.status.origin?.cause, "unauthorized");
    assert.equal(await imageStatus(scene.cluster.node("n3").containerd, image.reference), undefined);

    await scene.apply(barePod({ name: "wants", namespace, node: "n2", containers }));
    await scene.waitForRunning(namespace, 2);
    assert.equal((await scene.logs(namespace, "wants")).trim(), image.output);
    const salvaged = await scene.waitForRecord(namespace, "has ended", hasEnded);
    assert.equal(salvaged.status.phase, "Completed", salvaged.status.message);
    assert.match(salvaged.status.plan?.evidence ?? "", /pod has of this namespace/);
    const [pod] = await scene.pods(other);
    assert.equal(pod?.containers[0]?.state, "waiting");
  });

  // the last: how long containerd waits
  for (const [kind, what, waitMs] of [
    ["syn", "a SYN that nobody answers", 30_000],
    ["tls", "a TLS handshake that does not go on", 10_000],
    ["dns", "a name that nobody looks up", 10_000],
  ] as const satisfies readonly (readonly [RegistryHang, string, number])[]) {
    test(`${what}: the pull fails after a while, and the image is salvaged`, async () => {
      const { namespace, image } = await pulledOnce(kind);
      await scene.cluster.registry.hang(kind);
      const containers = [container(image.reference)];
      await scene.apply(barePod({ name: "wants", namespace, node: "n2", containers }));
      const began = await scene.waitForEvent(namespace, "the pull begins", ofWanting("Pulling"));
      const failed = await scene.waitForEvent(namespace, "the pull fails", ofWanting("Failed"));
      await scene.waitForRunning(namespace, 2, patienceMs);
      assert.equal((await scene.logs(namespace, "wants")).trim(), image.output);
      const [record] = await scene.records(namespace);
      assert.equal(record?.status.origin?.cause, "timeout", record?.status.message);
      const took = failed.firstTime - began.firstTime;
      // it tries twice, as hosts.toml names the registry as host and as server; Events are in whole seconds
      const isExpected = took >= waitMs - 1000 && took <= 2 * waitMs + SLACK_MS;
      assert.ok(isExpected, `the pull failed after ${took} ms: ${failed.message}`);
    });
  }

  test("a registry that takes requests and never answers: other pods run, the hung one is told of", async () => {
    const { namespace, image } = await pulledOnce("hung");
    await scene.cluster.registry.hang("http");
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "hangs", namespace, node: "n2", containers }));
    const { status } = await scene.waitForRecord(namespace, "has ended", hasEnded, hungMs);
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.transitions?.[0]?.reason, "HangingPull");
    await scene.apply(barePod({ name: "other", namespace, node: "n2", containers }));
    await scene.waitForPods(namespace, "the other one runs", (pods) =>
      pods.some(({ name, isReady }) => name === "other" && isReady),
    );
    assert.equal((await scene.logs(namespace, "other")).trim(), image.output);
    const said = await scene.waitForEvent(
      namespace,
      "on the pod that hangs",
      ({ about, reason }) => about === "hangs" && reason === "ImageSalvaged",
    );
    assert.match(said.message, /This pod's pull hangs\..* delete pod hangs, or restart containerd/);
    // what it says helps
    scene.expectGone(namespace, "hangs");
    await scene.cluster.kubectl(["delete", "pod", "hangs", "--namespace", namespace, "--wait=false"]);
    await scene.apply(barePod({ name: "again", namespace, node: "n2", containers }));
    await scene.waitForPods(namespace, "one made anew runs", (pods) =>
      pods.some(({ name, isReady }) => name === "again" && isReady),
    );
  });
});
