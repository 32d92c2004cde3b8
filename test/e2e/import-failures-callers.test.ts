import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { bytesReceived, bytesSent, readMetric } from "../harness/agent-metrics.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, keptLease, stateOf } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf, startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { assertSalvaged } from "./salvaged.ts";

const ORPHAN_GRACE_MS = 1500;

describe("callers of one import come and go", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({
      a: { agent: { args: ["--max-bandwidth", "2Mi"] } },
      b: { agent: { args: ["--orphan-grace", `${ORPHAN_GRACE_MS}ms`] } },
    });
  });
  after(() => rig.cleanup.run());

  /** An image on node a, and the order to import it on node b. */
  async function onSource(title: string): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title);
    await loadImage(rig.node("a").containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b" } };
  }

  test("two imports of one image at once are one transfer with two answers", async () => {
    const wanted = await onSource("at-once");
    const { a, b } = { a: rig.node("a").agent, b: rig.node("b").agent };
    const [sent, received] = [await bytesSent(a), await bytesReceived(b)];
    const committed = 'tote_agent_imports_total{result="committed"}';
    const ends = await readMetric(b, committed);
    const [first, second] = await Promise.all([rig.import(wanted.order), rig.import(wanted.order)]);
    assert.equal(Number(first.bytesTransferred), wanted.bytes);
    assert.deepEqual(second, first);
    assert.equal((await bytesReceived(b)) - received, wanted.bytes);
    // asking whether the source still lives may bring the manifest once more
    const extra = (await bytesSent(a)) - sent - wanted.bytes;
    assert.ok(extra >= 0 && extra < 10_000, `${extra} bytes more than the image were sent`);
    assert.equal((await readMetric(b, committed)) - ends, 1);
    await assertSalvaged(rig.node("b"), wanted, first);
  });

  test("whoever joins after the first caller has died gets the result", async () => {
    const wanted = await onSource("died");
    const received = await bytesReceived(rig.node("b").agent);
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    await first.leave();
    await assert.rejects(first.result, "the caller that died has an answer");
    const second = await startImport(rig, wanted.order);
    assert.ok((second.progress?.bytesTransferred ?? 0n) > 0n, "the second caller began anew");
    const result = await second.result;
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    assert.equal((await bytesReceived(rig.node("b").agent)) - received, wanted.bytes);
    await assertSalvaged(rig.node("b"), wanted, result);
  });

  test("without callers it goes on for the grace time, ends retryable, and a later call resumes", async () => {
    const wanted = await onSource("orphan");
    const b = rig.node("b");
    const retryable = 'tote_agent_imports_total{result="retryable"}';
    const ends = await readMetric(b.agent, retryable);
    const first = await startImport(rig, wanted.order);
    await first.leave();
    const left = performance.now();
    await waitFor("the import to end", async () => (await readMetric(b.agent, retryable)) > ends);
    const tookMs = performance.now() - left;
    assert.ok(tookMs > ORPHAN_GRACE_MS * 0.8, `it ended ${tookMs} ms after its caller`);
    await keptLease(b, wanted.image.descriptor.digest);
    assert.equal(await imageStatus(b.containerd, wanted.name), undefined);
    const received = await bytesReceived(b.agent);
    const result = await rig.import(wanted.order);
    assert.ok(result.bytesReused > 0n, "nothing was resumed");
    assert.equal(Number(result.bytesReused + result.bytesTransferred), wanted.bytes);
    assert.equal(Number(result.bytesTransferred), (await bytesReceived(b.agent)) - received);
    await assertSalvaged(b, wanted, result);
  });

  test("names of everybody who joined are recorded", async () => {
    const wanted = await onSource("more-names");
    const other = wanted.name.replace(":v1", ":v2");
    const elsewhere = "elsewhere.test/more-names:latest";
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    const second = await startImport(rig, { ...wanted.order, names: [other, elsewhere] });
    const [one, two] = await Promise.all([first.result, second.result]);
    assert.deepEqual(two, one);
    const { digest } = wanted.image.descriptor;
    const repository = wanted.name.replace(":v1", "");
    const names = [
      wanted.name,
      other,
      elsewhere,
      `${repository}@${digest}`,
      `elsewhere.test/more-names@${digest}`,
    ];
    assert.deepEqual([...one.names].sort(), [...names, wanted.image.config.digest].sort());
    for (const name of names) {
      assert.equal((await imageStatus(rig.node("b").containerd, name))?.id, wanted.image.config.digest, name);
    }
    await assertSalvaged(rig.node("b"), wanted, one);
  });

  test("whoever joins with a smaller max_bytes is refused alone, and none of its names is recorded", async () => {
    const wanted = await onSource("too-big");
    const other = wanted.name.replace(":v1", ":v2");
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    const refused = await failureOf(rig.import({ ...wanted.order, names: [other], maxBytes: 1000 }));
    assert.equal(refused.code, Code.ResourceExhausted);
    assert.match(refused.message, new RegExp(`has ${wanted.bytes} bytes, more than max_bytes 1000`));
    assert.equal(refused.retryable, false);
    const result = await first.result;
    await assertSalvaged(rig.node("b"), wanted, result);
    assert.equal(await imageStatus(rig.node("b").containerd, other), undefined);
  });

  test("whoever joins with a tag that is taken here is refused alone", async () => {
    const taken = await onSource("taken");
    const wanted = await onSource("not-taken");
    const b = rig.node("b");
    await assertSalvaged(b, taken, await rig.import(taken.order));
    const first = await startImport(rig, wanted.order);
    await first.untilInTheMiddle();
    const refused = await failureOf(rig.import({ ...wanted.order, names: [taken.name] }));
    assert.equal(refused.code, Code.FailedPrecondition);
    for (const word of [taken.name, taken.image.descriptor.digest, wanted.image.descriptor.digest]) {
      assert.ok(refused.message.includes(word), `${refused.message} does not name ${word}`);
    }
    await assertSalvaged(b, wanted, await first.result);
    assert.equal((await imageStatus(b.containerd, taken.name))?.id, taken.image.config.digest);
  });

  test("an image over the only caller's max_bytes is refused and leaves nothing", async () => {
    const wanted = await onSource("over-the-limit");
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const refused = await failureOf(rig.import({ ...wanted.order, maxBytes: wanted.bytes - 1 }));
    assert.equal(refused.code, Code.ResourceExhausted);
    assert.match(
      refused.message,
      new RegExp(`has ${wanted.bytes} bytes, more than max_bytes ${wanted.bytes - 1}`),
    );
    assert.equal(refused.retryable, false);
    await assertUnchanged(b, untouched);
    const result = await rig.import({ ...wanted.order, maxBytes: wanted.bytes });
    await assertSalvaged(b, wanted, result);
  });
});
