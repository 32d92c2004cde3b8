import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { readMetric } from "../harness/agent-metrics.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, keptLease, stateOf } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf, startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { assertSalvaged } from "./salvaged.ts";

describe("an import is cancelled", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({
      a: { agent: { args: ["--max-bandwidth", "2Mi"] } },
      b: { agent: { args: ["--orphan-grace", "1ms"] } },
    });
  });
  after(() => rig.cleanup.run());

  async function onSource(title: string, seed = title): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title, { seed });
    await loadImage(rig.node("a").containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b" } };
  }

  async function cancel(order: RigImport): Promise<boolean> {
    const { digest, grant } = await rig.order(order);
    const { cancelled } = await rig.node("b").controller.cancelImport({ digest, grant });
    return cancelled;
  }

  test("in the middle: every caller is told, and nothing is left", async () => {
    const wanted = await onSource("cancelled");
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const first = await startImport(rig, wanted.order);
    const second = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    const failures = Promise.all([failureOf(first.result), failureOf(second.result)]);
    assert.equal(await cancel(wanted.order), true);
    // not looked at through stateOf: the answer itself promises that all is gone, without a garbage collection of ours
    assert.deepEqual(await b.ctr.leases(), []);
    assert.deepEqual(await b.ctr.ingests(), []);
    for (const failure of await failures) {
      assert.equal(failure.code, Code.Canceled);
      assert.equal(failure.retryable, false);
      assert.equal(failure.bytesResumable, 0);
    }
    await assertUnchanged(b, untouched);
    assert.equal(await imageStatus(b.containerd, wanted.name), undefined);
    assert.equal(await readMetric(b.agent, 'tote_agent_imports_total{result="cancelled"}'), 1);
  });

  test("what is kept for a next try goes", async () => {
    const wanted = await onSource("kept");
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    await first.leave();
    const { digest } = wanted.image.descriptor;
    await waitFor("the import to be kept", async () => (await keptLease(b, digest)) !== undefined);
    assert.equal(await cancel(wanted.order), true);
    await assertUnchanged(b, untouched);
  });

  test("nothing is there to cancel: the answer says so, and a new import works", async () => {
    const wanted = await onSource("never");
    assert.equal(await cancel(wanted.order), false);
    const result = await rig.import(wanted.order);
    await assertSalvaged(rig.node("b"), wanted, result);
    assert.equal(await cancel(wanted.order), false);
    assert.equal((await imageStatus(rig.node("b").containerd, wanted.name))?.id, wanted.image.config.digest);
  });

  test("and ordered again at once: the new import is not harmed", async () => {
    const wanted = await onSource("again");
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    const failure = failureOf(first.result);
    const [cancelled, result] = await Promise.all([
      cancel(wanted.order),
      failure.then(() => rig.import(wanted.order)),
    ]);
    assert.equal(cancelled, true);
    assert.equal((await failure).code, Code.Canceled);
    await assertSalvaged(rig.node("b"), wanted, result);
  });

  test("while another image with the same layers is imported: that one is not harmed", async () => {
    const [doomed, wanted] = [await onSource("doomed", "shared"), await onSource("spared", "shared")];
    const first = await startImport(rig, doomed.order);
    await first.untilInTheMiddle();
    const second = await startImport(rig, wanted.order);
    const failure = failureOf(first.result);
    assert.equal(await cancel(doomed.order), true);
    assert.equal((await failure).code, Code.Canceled);
    const result = await second.result;
    await assertSalvaged(rig.node("b"), wanted, result);
    assert.equal(await imageStatus(rig.node("b").containerd, doomed.name), undefined);
  });
});
