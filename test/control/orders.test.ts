import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { SALVAGE_RECORDS } from "../../controller/kube/resources.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";
import { orderManifest } from "./objects.ts";

describe("an order has no more rights than a pod of its namespace", () => {
  let control: ControlRig;
  before(async () => {
    control = await startControlRig({ a: {}, b: {} });
  });
  after(() => control.rig.cleanup.run());

  async function give(namespace: string, spec: Readonly<Record<string, string>>): Promise<void> {
    await control.create(SALVAGE_RECORDS, orderManifest("by-hand", namespace, spec));
  }

  async function ended(namespace: string): Promise<SalvageRecord["status"]> {
    const record = await control.waitForRecord(
      namespace,
      "has ended",
      ({ status }) => status.completedAt !== undefined,
    );
    return record.status;
  }

  /** Asserts that node b has been given these names for an image, and its id, and no others. */
  async function assertNames({ image }: UniqueImage, ...names: readonly string[]): Promise<void> {
    const { digest } = image.descriptor;
    const images = await control.rig.node("b").ctr.images();
    const created = images.filter((one) => one.digest === digest).map(({ name }) => name);
    assert.deepEqual(created.sort(), [...names, image.config.digest].sort());
  }

  async function assertNothingCame({ name, image }: UniqueImage): Promise<void> {
    const images = await control.rig.node("b").ctr.images();
    assert.deepEqual(
      images.filter((one) => one.name === name || one.digest === image.descriptor.digest),
      [],
    );
  }

  test("it brings the image that it names, and nothing else", async () => {
    const made = await uniqueImage("ordered");
    const { image, name, output } = made;
    const others = ["registry.test:5000/ordered:latest", "registry.test:5000/another:v1"];
    await loadImage(control.rig.node("a").containerd, image, { names: [name, ...others] });
    await control.createNamespace("orders");
    await give("orders", { imageRef: name, targetNode: "b" });
    const status = await ended("orders");
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.plan?.digest, image.descriptor.digest);
    assert.deepEqual(
      (status.transitions ?? []).map(({ type }) => type),
      ["detected", "salvageable", "salvaged"],
    );
    await assertImageRuns(control.rig.node("b").containerd, name, output);
    await assertNames(made, name, `registry.test:5000/ordered@${image.descriptor.digest}`);
  });

  test("of a digest alone it is followed under the name that a pod of the namespace has for it", async () => {
    const made = await uniqueImage("by-digest");
    const { image, name, output } = made;
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("by-digest");
    await control.createPod({ name: "runs", namespace: "by-digest", node: "a", image: name });
    await control.waitForRunning("by-digest", "runs");
    await give("by-digest", { digest: image.descriptor.digest, targetNode: "b" });
    const status = await ended("by-digest");
    assert.equal(status.phase, "Completed", status.message);
    const created = `registry.test:5000/by-digest@${image.descriptor.digest}`;
    assert.equal(status.origin?.image, created);
    await assertImageRuns(control.rig.node("b").containerd, created, output);
    await assertNames(made, created);
  });

  test("of a digest alone it is refused where no pod of the namespace has it", async () => {
    const made = await uniqueImage("unheard");
    await loadImage(control.rig.node("a").containerd, made.image, { names: [made.name] });
    await control.createNamespace("unheard");
    await give("unheard", { digest: made.image.descriptor.digest, targetNode: "b" });
    const status = await ended("unheard");
    assert.deepEqual([status.phase, status.reason], ["Refused", "OrderInvalid"]);
    assert.match(
      status.message ?? "",
      /no pod of namespace unheard has sha256:.*: write imageRef: repository@/,
    );
    await assertNothingCame(made);
  });

  test("for another tenant's digest under a repository of its own it is refused", async () => {
    const made = await uniqueImage("team-a/secret");
    await loadImage(control.rig.node("a").containerd, made.image, { names: [made.name] });
    await control.createNamespace("thief");
    const imageRef = `registry.test:5000/team-b/mine@${made.image.descriptor.digest}`;
    await give("thief", { imageRef, targetNode: "b" });
    const status = await ended("thief");
    assert.deepEqual([status.phase, status.reason], ["Refused", "NotAuthorized"]);
    assert.match(status.message ?? "", /no node holds .* under .*\/team-b\/mine/);
    await assertNothingCame(made);
  });

  test("with a foreign digest for a tag it is refused", async () => {
    const [wanted, foreign] = [await uniqueImage("tagged"), await uniqueImage("foreign")];
    const { containerd } = control.rig.node("a");
    await loadImage(containerd, wanted.image, { names: [wanted.name] });
    await loadImage(containerd, foreign.image, { names: [foreign.name] });
    await control.createNamespace("swap");
    await give("swap", { imageRef: wanted.name, digest: foreign.image.descriptor.digest, targetNode: "b" });
    const status = await ended("swap");
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "OrderDigestMismatch");
    assert.equal(await imageStatus(control.rig.node("b").containerd, wanted.name), undefined);
  });

  test("in a namespace that is not opted in it is refused", async () => {
    const { image, name } = await uniqueImage("uninvited");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("closed", {});
    await give("closed", { imageRef: name, targetNode: "b" });
    const status = await ended("closed");
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "NamespaceNotOptedIn");
    assert.equal(await imageStatus(control.rig.node("b").containerd, name), undefined);
  });

  test("for a node that is not there it is refused", async () => {
    await control.createNamespace("nowhere");
    await give("nowhere", { imageRef: "registry.test:5000/app:v1", targetNode: "z" });
    const status = await ended("nowhere");
    assert.equal(status.phase, "Refused");
    assert.match(status.message ?? "", /node z is not there/);
  });

  for (const [flag, reason] of [
    ["--max-image-size=1000", "ImageTooLarge"],
    ["--min-free-percent=99", "InsufficientRoom"],
  ] as const) {
    test(`with ${flag} it is refused as ${reason}`, async () => {
      await control.controller.stop();
      await control.startController([flag]);
      const namespace = reason.toLowerCase();
      const made = await uniqueImage(namespace);
      await loadImage(control.rig.node("a").containerd, made.image, { names: [made.name] });
      await control.createNamespace(namespace);
      await give(namespace, { imageRef: made.name, targetNode: "b" });
      const status = await ended(namespace);
      assert.deepEqual([status.phase, status.reason], ["Refused", reason]);
      await assertNothingCame(made);
    });
  }
});
