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

interface Pulled {
  readonly namespace: string;
  readonly image: PodImage;
}

/**
 * Calls that do not come to an end, each from a node of its own, and how long containerd waits for one. A containerd 1.6
 * that has looked up no name yet does so with the servers that it knew at its start.
 */
const HANGS = [
  { kind: "dns", what: "a name that nobody looks up", node: "n2", source: "n1", waitMs: 10_000 },
  { kind: "syn", what: "a SYN that nobody answers", node: "n3", source: "n1", waitMs: 30_000 },
] as const;

describe("the registry is there, and does not give the image", () => {
  let cleanup: Cleanup;
  let scene: Scene;
  before(async () => {
    cleanup = createCleanup();
    scene = await openScene(cleanup);
  });
  afterEach(() => scene.assertPodsKept());
  after(() => cleanup.run());

  /** An image that runs as pod "has" of a namespace on another node, pulled while all was well. */
  async function pulledOnce(title: string, node = "n1"): Promise<Pulled> {
    await scene.cluster.registry.start();
    const namespace = await scene.namespace(title);
    const image = await scene.push(await podImage(scene.title(title)));
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "has", namespace, node, containers }));
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
    // the kubelet pulls one image at a time: it would go on trying, and keep others waiting
    scene.expectGone(other, "steals");
    await scene.cluster.kubectl(["delete", "pod", "steals", "--namespace", other, "--wait=false"]);
  });

  /** A pod of another node wants the image, its pull fails after a while, and it runs all the same. */
  async function failsAndRuns({ namespace, image }: Pulled, node: string, waitMs: number): Promise<void> {
    const containers = [container(image.reference)];
    await scene.apply(barePod({ name: "wants", namespace, node, containers }));
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
  }

  test("a TLS handshake that does not go on: the pull fails after a while, and the image is salvaged", async () => {
    const pulled = await pulledOnce("tls");
    await scene.cluster.registry.hang({ n2: "tls" });
    await failsAndRuns(pulled, "n2", 10_000);
  });

  describe("and calls to it hang", { concurrency: true }, () => {
    const pulled = new Map<string, Pulled>();
    const hungNode = "n1";
    before(async () => {
      pulled.set("http", await pulledOnce("hung", "n2"));
      for (const { kind, source } of HANGS) pulled.set(kind, await pulledOnce(kind, source));
      const kinds = HANGS.map(({ kind, node }): readonly [string, RegistryHang] => [node, kind]);
      await scene.cluster.registry.hang({ ...Object.fromEntries(kinds), [hungNode]: "http" });
    });
    const imageOf = (kind: RegistryHang): Pulled => {
      const one = pulled.get(kind);
      assert.ok(one !== undefined, `no image for ${kind}`);
      return one;
    };

    for (const { kind, what, node, waitMs } of HANGS) {
      test(`${what}: the pull fails after a while, and the image is salvaged`, () =>
        failsAndRuns(imageOf(kind), node, waitMs));
    }

    test("a registry that takes requests and never answers: other pods run, the hung one is told of", async () => {
      const { namespace, image } = imageOf("http");
      const containers = [container(image.reference)];
      await scene.apply(barePod({ name: "hangs", namespace, node: hungNode, containers }));
      const { status } = await scene.waitForRecord(namespace, "has ended", hasEnded, hungMs);
      assert.equal(status.phase, "Completed", status.message);
      assert.equal(status.transitions?.[0]?.reason, "HangingPull");
      await scene.apply(barePod({ name: "other", namespace, node: hungNode, containers }));
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
      await scene.apply(barePod({ name: "again", namespace, node: hungNode, containers }));
      await scene.waitForPods(namespace, "one made anew runs", (pods) =>
        pods.some(({ name, isReady }) => name === "again" && isReady),
      );
    });
  });
});
