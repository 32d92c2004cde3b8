import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { ImportFailureSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { imageStatus, pullImage } from "../harness/cri.ts";
import { buildImage, buildIndex, buildRunnableImage } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { ociArchive } from "../harness/oci-archive.ts";
import { startRegistry, type Registry } from "../harness/registry.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { HOST, runnable } from "./moves.ts";

describe("an import that cannot be is refused, and leaves nothing", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  /** Imports on node b, expects a permanent failure, and checks that b is as it was. */
  async function refused(order: Omit<RigImport, "target">): Promise<ConnectError> {
    const b = rig.node("b");
    const state = async () => ({
      images: (await b.ctr.images()).map((image) => `${image.name} ${image.digest}`).sort(),
      content: (await b.ctr.content()).map((blob) => blob.digest).sort(),
      snapshots: (await b.ctr.snapshots()).length,
      leases: await b.ctr.leases(),
      ingests: await b.ctr.ingests(),
    });
    // what ctr has left of an archive goes at a moment of its own
    await b.ctr.forceGc();
    const stateBefore = await state();
    const error = await rig.import({ ...order, target: "b" }).then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    assert.ok(error, "the import succeeded");
    const [failure] = error.findDetails(ImportFailureSchema);
    assert.notEqual(failure?.retryable, true, error.message);
    assert.deepEqual(await state(), stateBefore);
    return error;
  }

  test("a tag that exists here with another digest, naming the tag and both digests", async () => {
    const [mine, other] = [await runnable("mine"), await runnable("other")];
    const name = `${HOST}/conflict:v1`;
    await loadImage(rig.node("b").containerd, mine, { names: [name] });
    await loadImage(rig.node("a").containerd, other, { names: [name] });
    const error = await refused({ image: other, names: [name] });
    assert.equal(error.code, Code.FailedPrecondition);
    for (const part of [name, mine.descriptor.digest, other.descriptor.digest])
      assert.ok(error.message.includes(part));
    assert.equal((await imageStatus(rig.node("b").containerd, name))?.id, mine.config.digest);
  });

  test("an image over max_bytes, with both sizes", async () => {
    const image = await runnable("heavy", {
      layers: [{ files: { heavy: { size: 400_000, fill: "random", seed: "heavy" } } }],
    });
    await loadImage(rig.node("a").containerd, image, { names: [`${HOST}/heavy:v1`] });
    const error = await refused({ image, names: [`${HOST}/heavy:v1`], maxBytes: 300_000 });
    assert.equal(error.code, Code.ResourceExhausted);
    assert.match(error.message, /has 1?\d{6} bytes, more than max_bytes 300000/);
  });

  test("a layer that no source has, naming it", async () => {
    const image = await runnable("gap", { layers: [{ files: { gap: "gap" } }] });
    const layer = image.layers[1];
    assert.ok(layer);
    await loadImage(rig.node("a").containerd, image, { names: [`${HOST}/gap:v1`], without: [layer.digest] });
    const error = await refused({ image, names: [`${HOST}/gap:v1`] });
    assert.equal(error.code, Code.FailedPrecondition);
    assert.ok(error.message.includes(layer.digest) && error.message.includes("a: "), error.message);
  });

  test("an image that no source has", async () => {
    const image = await runnable("nowhere");
    const error = await refused({ image, names: [`${HOST}/nowhere:v1`] });
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.message, /no source left .* a: blob .* is not on this node/);
  });

  test("an index without this platform", async () => {
    const foreign = await buildRunnableImage({
      output: "s390x",
      platform: { os: "linux", architecture: "s390x" },
    });
    const index = buildIndex({ images: [foreign] });
    await loadImage(rig.node("a").containerd, index, {
      names: [`${HOST}/foreign:v1`],
      records: "plain",
      unpack: false,
    });
    const error = await refused({ image: index, names: [`${HOST}/foreign:v1`] });
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.message, /no manifest for linux\//);
  });

  for (const [what, change, words] of [
    ["no names", { names: [] }, /names/],
    ["a malformed name", { names: ["Not/A/Name"] }, /names\[0\]/],
    ["a name with another digest", { names: [`app@sha256:${"0".repeat(64)}`] }, /names\[0\]/],
    ["a malformed digest", { digest: "sha256:abc" }, /digest/],
  ] as const) {
    test(`${what}: invalid_argument that names the field`, async () => {
      const image = await runnable("argument");
      const error = await refused({ image, names: [`${HOST}/argument:v1`], ...change });
      assert.equal(error.code, Code.InvalidArgument, error.message);
      assert.match(error.message, words);
    });
  }
});

describe("nodes that discard layers once they are unpacked", () => {
  let rig: Rig;
  let registry: Registry;
  before(async () => {
    rig = await startSharedRig({ a: { containerd: { discardUnpackedLayers: true } }, b: {} });
    registry = await startRegistry({ cleanup: rig.cleanup });
    await registry.attach(rig.node("a").containerd, HOST);
  });
  after(() => rig.cleanup.run());

  // pulled for real: how containerd 2 treats layers shows in what its pulls leave, and nowhere else
  test("say so in GetNode and ResolveImage, and are no source", async () => {
    const a = rig.node("a");
    const image = await runnable("discarded", { layers: [{ files: { discarded: "x" } }] });
    const name = `${HOST}/discarded:v1`;
    await registry.add("discarded:v1", image);
    await pullImage(a.containerd, name);
    await a.ctr.forceGc();
    assert.equal((await a.controller.getNode({})).keepsLayers, false);
    assert.equal((await rig.node("b").controller.getNode({})).keepsLayers, true);

    const resolved = await a.controller.resolveImage({ reference: name });
    assert.equal(resolved.complete, false);
    assert.equal(resolved.runnable, true);
    assert.match(resolved.incompleteMessage, /LAYERS_DISCARDED/);

    const error = await rig.import({ image, names: [name], target: "b" }).then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    assert.equal(error?.code, Code.FailedPrecondition);
    assert.match(error.message, /LAYERS_DISCARDED/);
    assert.ok(
      image.layers.some((layer) => error.message.includes(layer.digest)),
      error.message,
    );
  });

  test("are a good target: the image runs from its snapshots, and its layers go where containerd says so", async () => {
    const a = rig.node("a");
    const image = await runnable("frugal", { layers: [{ files: { frugal: "y" } }] });
    const name = `${HOST}/frugal:v1`;
    await loadImage(rig.node("b").containerd, image, { names: [name] });
    const result = await rig.import({ image, names: [name], target: "a", sources: ["b"] });
    assert.equal(result.visible, true, result.message);
    await a.ctr.forceGc();
    assert.equal(await a.ctr.run(name), "frugal\n");
    const blobs = (await a.ctr.content()).map((blob) => blob.digest);
    // containerd 2 does not say it, and a wrong guess would cost layers
    const isTold = a.containerd.version.startsWith("1.");
    assert.equal(blobs.includes(image.layers[1]?.digest ?? ""), !isTold, "the layer is here");
  });

  test("are not mistaken for others: images without layers and attestations have no layers to lose", async () => {
    const b = rig.node("b");
    const bare = await buildImage({ layers: [] });
    await loadImage(b.containerd, bare, { names: [`${HOST}/bare:v1`], records: "plain", unpack: false });
    const attested = buildIndex({ images: [await runnable("attested")], attestations: true });
    const archive = ociArchive({
      root: attested.descriptor,
      names: [`${HOST}/attested:v1`],
      blobs: attested.blobs.values(),
    });
    const local = b.containerd.version.startsWith("1.") ? [] : ["--local"];
    await b.ctr.importImage(archive, [...local, "--all-platforms", "--no-unpack"]);
    await b.ctr.forceGc();
    const unlayered = (await b.ctr.content()).filter(
      ({ labels }) =>
        labels["containerd.io/gc.ref.content.config"] !== undefined &&
        labels["containerd.io/gc.ref.content.l.0"] === undefined,
    );
    assert.equal(unlayered.length, 2, "manifests without layers");
    assert.equal((await b.controller.getNode({})).keepsLayers, true);
  });
});
