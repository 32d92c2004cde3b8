import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";

const ASKS = { "tote.dev/auto-salvage": "true" };

describe("an image whose record is there and whose content is not", () => {
  let control: ControlRig;
  before(async () => {
    control = await startControlRig({ a: {}, b: {} }, { checksContent: true });
  });
  after(() => control.rig.cleanup.run());

  async function ended(namespace: string, timeoutMs?: number): Promise<SalvageRecord["status"]> {
    const fits = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
    return (await control.waitForRecord(namespace, "has ended", fits, timeoutMs)).status;
  }

  test("is repaired from another node", async () => {
    const { image, name, output } = await uniqueImage("corrupt");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    const without = image.layers.slice(1).map(({ digest }) => digest);
    await loadImage(control.rig.node("b").containerd, image, { names: [name], without, unpack: false });
    await control.createNamespace("corrupt");
    await control.createPod({ name: "web", namespace: "corrupt", node: "b", image: name, annotations: ASKS });
    const status = await ended("corrupt");
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.reason, "Salvaged");
    assert.ok((status.transitions ?? []).some(({ type }) => type === "corrupt"));
    await assertImageRuns(control.rig.node("b").containerd, name, output);
    await control.waitForRunning("corrupt", "web");
  });

  test("loses its record when no node has it, so that the kubelet can pull", async () => {
    const { image, name } = await uniqueImage("stale");
    const without = image.layers.slice(1).map(({ digest }) => digest);
    await loadImage(control.rig.node("b").containerd, image, { names: [name], without, unpack: false });
    await control.createNamespace("stale");
    await control.createPod({ name: "web", namespace: "stale", node: "b", image: name, annotations: ASKS });
    const status = await ended("stale");
    assert.equal(status.reason, "StaleRecordRemoved", status.message);
    assert.equal(await imageStatus(control.rig.node("b").containerd, name), undefined);
  });
});
