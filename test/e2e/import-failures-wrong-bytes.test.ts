import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { imageStatus } from "../harness/cri.ts";
import { corrupting, honest, startFakeSource, type Answer } from "../harness/fake-source.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, keptLease, stateOf } from "../harness/node-state.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { failureOf } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

/** Answers that break the contract, for layers; manifest and configuration come as they should. */
const faulty: Readonly<Record<string, Answer>> = {
  async *"fewer bytes than it announced"(blob, offset) {
    for await (const message of honest(blob, offset)) {
      if ("data" in message && offset >= blob.size / 2) return;
      yield "data" in message
        ? { data: message.data.subarray(0, Math.ceil(blob.size / 2) - offset) }
        : message;
    }
  },
  async *"more bytes than it announced"(blob, offset) {
    yield { size: blob.size };
    for (;;) for await (const data of blob.read(offset)) yield { data };
  },
  async *"another size than the manifest says"(blob, offset) {
    for await (const message of honest(blob, offset))
      yield "size" in message ? { size: blob.size + 1 } : message;
  },
  async *"empty messages without end"(blob, _offset, signal) {
    yield { size: blob.size };
    for (; !signal.aborted; await setImmediate()) yield { data: new Uint8Array() };
  },
  async *"everything, and never ends its stream"(blob, offset, signal) {
    yield* honest(blob, offset);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  },
};

describe("a source sends what it should not", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  /** Serves the blobs of an image that are layers (or all) as `answer` says, the others honestly. */
  async function fake(unique: UniqueImage, answer: Answer, what: "layers" | "all" = "layers") {
    const layers = new Set(unique.image.layers.map(({ digest }) => digest));
    return await startFakeSource(rig, "fake", unique.image.blobs, (blob, offset, signal) =>
      what === "all" || layers.has(blob.digest) ? answer(blob, offset, signal) : honest(blob, offset),
    );
  }

  test("wrong bytes: it is left out, and the import completes from the next", async () => {
    const wanted = await uniqueImage("wrong");
    await loadImage(rig.node("a").containerd, wanted.image, { names: [wanted.name] });
    const source = await fake(wanted, corrupting, "all");
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [source, "a"] };
    const result = await rig.import(order);
    assert.equal(Number(result.bytesTransferred), wanted.bytes, "wrong bytes count");
    assert.deepEqual(
      result.sources.map(({ node }) => node),
      ["a"],
    );
    const asked = source.requests.filter(({ digest }) => digest !== wanted.image.descriptor.digest);
    assert.deepEqual(asked, [], "it was asked for more after its first lie");
    await assertSalvaged(rig.node("b"), wanted, result);
  });

  test("wrong bytes in layers only: what else it sent is taken, its layers come from the next", async () => {
    const wanted = await uniqueImage("wrong-layers");
    await loadImage(rig.node("a").containerd, wanted.image, { names: [wanted.name] });
    const source = await fake(wanted, corrupting);
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [source, "a"] };
    const result = await rig.import(order);
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), ["a", "fake"]);
    await assertSalvaged(rig.node("b"), wanted, result);
  });

  test("wrong bytes, and it is alone: data_loss with both digests, not to be tried again, nothing is left", async () => {
    const wanted = await uniqueImage("wrong-alone");
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const source = await fake(wanted, corrupting);
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [source] };
    const failure = await failureOf(rig.import(order));
    assert.equal(failure.code, Code.DataLoss);
    assert.equal(failure.retryable, false);
    assert.equal(failure.bytesResumable, 0);
    assert.deepEqual([...failure.sources.keys()], ["fake"]);
    const words = /fake: wrong bytes for (\S+): unexpected commit digest (sha256:\w{64}), expected (\S+):/;
    const [, layer = "", came = "", expected = ""] = words.exec(failure.message) ?? [];
    assert.ok(wanted.image.blobs.has(layer), `no layer is named in ${failure.message}`);
    assert.equal(expected, layer);
    assert.notEqual(came, layer);
    await assertUnchanged(b, untouched);
    assert.equal(await imageStatus(b.containerd, wanted.name), undefined);
  });

  for (const [what, answer] of Object.entries(faulty)) {
    test(`${what}: the import completes`, async () => {
      const wanted = await uniqueImage(what.replaceAll(/[^a-z]+/g, "-"));
      await loadImage(rig.node("a").containerd, wanted.image, { names: [wanted.name] });
      const source = await fake(wanted, answer);
      const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [source, "a"] };
      const result = await rig.import(order);
      assert.equal(Number(result.bytesTransferred), wanted.bytes);
      assert.ok(source.requests.length > 2, "it was not asked for layers");
      await assertSalvaged(rig.node("b"), wanted, result);
    });
  }

  test("empty messages without end, and it is alone: the import ends, to be tried again", async () => {
    const wanted = await uniqueImage("nothing-alone");
    const source = await fake(wanted, faulty["empty messages without end"] ?? honest);
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [source] };
    const failure = await failureOf(rig.import(order));
    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.retryable, true);
    assert.match(failure.sources.get("fake") ?? "", /an empty message/);
    const { digest } = wanted.image.descriptor;
    await keptLease(rig.node("b"), digest);
    const { grant } = await rig.order(order);
    assert.deepEqual((await rig.node("b").controller.cancelImport({ digest, grant })).cancelled, true);
  });
});
