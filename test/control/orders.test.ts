import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { SALVAGE_RECORDS } from "../../controller/kube/resources.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
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

  test("it brings the image that it names, and nothing else", async () => {
    const { image, name, output } = await uniqueImage("ordered");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
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
});
