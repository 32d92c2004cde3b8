import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { bytesReceived } from "../harness/agent-metrics.ts";
import { loadImage } from "../harness/load-image.ts";
import { stateOf, untilUnchanged } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

describe("the target's agent is killed, or containerd under an agent", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: { agent: { args: ["--max-bandwidth", "2Mi"] } }, b: {} });
  });
  after(() => rig.cleanup.run());

  async function onSource(title: string): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title);
    await loadImage(rig.node("a").containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b" } };
  }

  test("the agent is killed and started again: a new call resumes, and in the end nothing is held", async () => {
    const wanted = await onSource("agent-killed");
    const b = rig.node("b");
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    await b.agent.kill();
    await assert.rejects(running.result, "the caller of a killed agent has an answer");
    await b.agent.restart();
    assert.equal((await b.ctr.leases()).length, 1, "leases that keep what came");
    const result = await rig.import(wanted.order);
    assert.ok(result.bytesReused > 0n, "nothing was resumed");
    assert.equal(Number(result.bytesReused + result.bytesTransferred), wanted.bytes);
    assert.equal(await bytesReceived(b.agent), Number(result.bytesTransferred));
    await assertSalvaged(b, wanted, result);
  });

  test("the agent is killed and nobody calls again: it cleans up after the grace time", async () => {
    const wanted = await onSource("agent-killed-forgotten");
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    await b.agent.kill();
    await assert.rejects(running.result);
    await b.agent.restart({ args: ["--orphan-grace", "1s"] });
    await untilUnchanged(b, untouched);
    await b.agent.restart({ args: [] });
  });

  test("containerd is killed under the target and comes back: the import completes", async () => {
    const wanted = await onSource("target-containerd");
    const b = rig.node("b");
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    await b.containerd.kill();
    await b.containerd.restart();
    const result = await running.result;
    assert.equal(Number(result.bytesTransferred), wanted.bytes, "bytes that containerd lost count twice");
    await assertSalvaged(b, wanted, result);
  });

  test("containerd is restarted under the source: the import completes", async () => {
    const wanted = await onSource("source-containerd");
    const [a, b] = [rig.node("a"), rig.node("b")];
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    await a.containerd.restart();
    const result = await running.result;
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    await assertSalvaged(b, wanted, result);
  });
});
