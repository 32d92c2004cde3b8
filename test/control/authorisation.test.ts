import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";
import { startDeadRegistry, type DeadRegistry } from "./dead-registry.ts";

const ASKS = { "tote.dev/auto-salvage": "true" };

describe("tote is no way around pull secrets", () => {
  let control: ControlRig;
  let registry: DeadRegistry;
  let secret: UniqueImage;
  before(async () => {
    control = await startControlRig({ a: {}, b: {} });
    registry = await startDeadRegistry(control.rig.cleanup);
    const made = await uniqueImage("team-a/secret");
    secret = { ...made, name: `${registry.host}/team-a/secret:v1` };
    await loadImage(control.rig.node("a").containerd, secret.image, { names: [secret.name] });
    // its owner runs it on node a
    await control.createNamespace("team-a");
    await control.createPod({ name: "own", namespace: "team-a", node: "a", image: secret.name });
    await control.waitForRunning("team-a", "own");
  });
  after(() => control.rig.cleanup.run());

  async function ask(namespace: string, image: string): Promise<void> {
    await control.createNamespace(namespace);
    await control.createPod({ name: "thief", namespace, node: "b", image, annotations: ASKS });
  }

  async function refused(namespace: string): Promise<SalvageRecord> {
    const record = await control.waitForRecord(namespace, "has ended", hasEnded);
    assert.equal(record.status.phase, "Refused", record.status.message);
    assert.equal(record.status.plan, undefined);
    assert.equal(await imageStatus(control.rig.node("b").containerd, secret.name), undefined);
    return record;
  }

  test("another tenant's digest under a repository of one's own is refused", async () => {
    await ask("team-b", `${registry.host}/team-b/mine@${secret.image.descriptor.digest}`);
    const { status } = await refused("team-b");
    assert.equal(status.reason, "NotAuthorized");
    assert.match(status.message ?? "", /no node holds .* under .*\/team-b\/mine/);
  });

  test("another tenant's image is refused when the registry has refused the pod", async () => {
    registry.answer(401);
    await ask("team-c", secret.name);
    const { status } = await refused("team-c");
    assert.equal(status.reason, "NotAuthorized");
    assert.equal(status.cause, "unauthorized");
    assert.match(status.message ?? "", /refused this pod's credentials/);
  });

  test("with --image-authorization=strict only a pod of the namespace counts", async () => {
    registry.answer(503);
    await control.controller.stop();
    await control.startController(["--image-authorization", "strict"]);
    await ask("team-d", secret.name);
    const { status } = await refused("team-d");
    assert.equal(status.reason, "NotAuthorized");
    assert.match(status.message ?? "", /strict/);
  });

  test("a running pod of its own namespace speaks for a pod that the registry refused", async () => {
    registry.answer(401);
    await control.createNamespace("team-e");
    await control.createPod({ name: "own", namespace: "team-e", node: "a", image: secret.name });
    await control.waitForRunning("team-e", "own");
    await control.createPod({
      name: "new",
      namespace: "team-e",
      node: "b",
      image: secret.name,
      annotations: ASKS,
    });
    const { status } = await control.waitForRecord("team-e", "has ended", hasEnded);
    assert.equal(status.phase, "Completed", status.message);
    assert.match(status.plan?.evidence ?? "", /pod own of this namespace/);
    await control.waitForRunning("team-e", "new");
  });

  test("with --image-authorization=off nothing is asked for", async () => {
    await control.controller.stop();
    await control.startController(["--image-authorization", "off"]);
    const image = `${registry.host}/team-f/mine@${secret.image.descriptor.digest}`;
    await ask("team-f", image);
    const { status } = await control.waitForRecord("team-f", "has ended", hasEnded);
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.bytesTransferred, 0, "node b has the content by now");
    await control.waitForRunning("team-f", "thief");
  });
});

function hasEnded({ status }: SalvageRecord): boolean {
  return status.completedAt !== undefined;
}
