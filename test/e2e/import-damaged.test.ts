import assert from "node:assert/strict";
import { rm, stat, truncate, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { ImportFailureSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, stateOf } from "../harness/node-state.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { HOST, proveImport, runnable } from "./moves.ts";

describe("content that went bad on the target under containerd's feet", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  const fileOf = (digest: string): string =>
    `${rig.node("b").containerd.contentDir}/blobs/sha256/${digest.slice("sha256:".length)}`;

  /** What a power loss leaves of a file that was not on disk yet. */
  async function fillWithZeros(digest: string): Promise<void> {
    const { size } = await stat(fileOf(digest));
    await writeFile(fileOf(digest), new Uint8Array(size), { flag: "r+" });
  }

  async function removeFile(digest: string): Promise<void> {
    await rm(fileOf(digest));
  }

  async function cutShort(digest: string): Promise<void> {
    const { size } = await stat(fileOf(digest));
    await truncate(fileOf(digest), size / 2);
  }

  async function failureOf(work: Promise<unknown>): Promise<ConnectError> {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    assert.ok(error);
    return error;
  }

  /** An image on b whose upper layer is there as a blob only. */
  async function notUnpacked(title: string) {
    const image = await runnable(title, { layers: [randomLayer(title)] });
    const name = `${HOST}/${title.replaceAll(" ", "-")}:v1`;
    await loadImage(rig.node("b").containerd, image, { names: [name], unpack: false });
    const layer = image.layers[1];
    assert.ok(layer);
    return { image, name, layer };
  }

  const randomLayer = (seed: string) => ({
    files: { data: { size: 300_000, fill: "random" as const, seed } },
  });

  async function imageOn(nodes: readonly string[], title: string) {
    const image = await runnable(title, { layers: [randomLayer(title)] });
    const name = `${HOST}/${title.replaceAll(" ", "-")}:v1`;
    for (const node of nodes) await loadImage(rig.node(node).containerd, image, { names: [name] });
    return { image, name };
  }

  test("a layer whose file was deleted is fetched again", async () => {
    const image = await runnable("damaged", { layers: [{ files: { data: "of the layer\n" } }] });
    const name = `${HOST}/damaged:v1`;
    await loadImage(rig.node("b").containerd, image, { names: [name], unpack: false });
    await loadImage(rig.node("a").containerd, image, { names: [name] });
    const layer = image.layers[1];
    assert.ok(layer);
    await removeFile(layer.digest);
    const result = await rig.import({ image, names: [name], target: "b" });
    assert.equal(Number(result.bytesTransferred), layer.size);
    await proveImport(rig, result, name, "damaged");
  });

  for (const [damage, harm] of [
    ["overwritten with zeros", fillWithZeros] as const,
    ["cut short", cutShort] as const,
  ]) {
    test(`a layer that was ${damage} is fetched again`, async () => {
      const { image, name, layer } = await notUnpacked(damage);
      await loadImage(rig.node("a").containerd, image, { names: [name] });
      await harm(layer.digest);
      const result = await rig.import({ image, names: [name], target: "b" });
      assert.equal(Number(result.bytesTransferred), layer.size);
      await proveImport(rig, result, name, damage, { fromBlobs: true });
    });
  }

  test("a layer of zeros that no source has is told as damaged here, and is no longer taken for present", async () => {
    const { image, name, layer } = await notUnpacked("zeros in the only layer");
    await fillWithZeros(layer.digest);
    const failure = await failureOf(rig.import({ image, names: [name], target: "b" }));
    assert.match(
      failure.rawMessage,
      new RegExp(`layer ${layer.digest} was damaged on this node.*no source left`),
    );
    assert.equal(failure.findDetails(ImportFailureSchema)[0]?.retryable, true);
    const { incompleteMessage } = await rig.node("b").controller.resolveImage({ reference: name });
    assert.match(incompleteMessage, new RegExp(`LAYERS_MISSING: not on this node: ${layer.digest}`));
    await loadImage(rig.node("a").containerd, image, { names: [name] });
    const again = await rig.import({ image, names: [name], target: "b" });
    await proveImport(rig, again, name, "zeros in the only layer");
  });

  for (const part of ["descriptor", "config"] as const) {
    test(`a ${part === "config" ? part : "manifest"} of zeros is fetched again, and nothing else`, async () => {
      const title = `zeros in the ${part}`;
      const { image, name } = await imageOn(["a", "b"], title);
      await fillWithZeros(image[part].digest);
      const { incompleteMessage } = await rig.node("b").controller.resolveImage({ reference: name });
      assert.match(incompleteMessage, new RegExp(`${image[part].digest} is missing or damaged`));
      const result = await rig.import({ image, names: [name], target: "b" });
      assert.equal(Number(result.bytesTransferred), image[part].size);
      await proveImport(rig, result, name, title);
    });
  }

  test("what cannot be fetched again is told with its digest, and stays", async () => {
    const { image, name } = await imageOn(["a", "b"], "no source");
    const { digest } = image.descriptor;
    await fillWithZeros(digest);
    const failure = await failureOf(rig.import({ image, names: [name], target: "b", sources: [] }));
    assert.equal(failure.code, Code.DataLoss);
    assert.match(failure.rawMessage, new RegExp(`${digest} .*other bytes.* no sources were given`));
    assert.ok((await rig.node("b").ctr.content()).some((blob) => blob.digest === digest));
    const again = await rig.import({ image, names: [name], target: "b" });
    await proveImport(rig, again, name, "no source");
  });

  for (const part of ["descriptor", "config"] as const) {
    for (const [damage, harm] of [["zeros", fillWithZeros] as const, ["no file", removeFile] as const]) {
      const what = part === "config" ? part : "manifest";
      test(`a ${what} with ${damage} that no source has keeps what hangs on it`, async () => {
        const { image, name } = await imageOn(["b"], `${damage} for the only ${what}`);
        const untouched = await stateOf(rig.node("b"));
        await harm(image[part].digest);
        await assert.rejects(
          rig.import({ image, names: [name], target: "b" }),
          new RegExp(`failed_precondition.*no source left for ${image[part].digest}`),
        );
        await assertUnchanged(rig.node("b"), untouched);
      });
    }
  }

  test("bytes that another containerd namespace holds on to are told, not taken for good ones", async () => {
    const { image, name } = await imageOn(["a", "b"], "held elsewhere");
    await loadImage(rig.node("b").containerd, image, { names: [name], namespace: "moby" });
    const { digest } = image.config;
    await fillWithZeros(digest);
    await assert.rejects(
      rig.import({ image, names: [name], target: "b" }),
      new RegExp(`data_loss.*${digest} .*another namespace`),
    );
  });
});
