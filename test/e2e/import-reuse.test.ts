import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { NODE_OPTION } from "../../build/image/image-config.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { startRig, startSharedRig, type Rig } from "../harness/rig.ts";
import { HOST, moveAndProve, proveImport, runnable } from "./moves.ts";

/** of an agent, whatever the size of the blobs that it moves */
const MEMORY_MAX_MIB = 200;

const big = (seed: string, size = 2_000_000) => ({
  files: { [`data/${seed}`]: { size, fill: "random" as const, seed } },
});

describe("what is on the node already does not move", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  test("layers shared with another image stay where they are", async () => {
    const shared = big("shared");
    const first = await runnable("first", { layers: [shared] });
    await loadImage(rig.node("b").containerd, first, { names: [`${HOST}/first:v1`] });
    const own = big("own", 100_000);
    const second = await runnable("second", { layers: [shared, own] });
    const result = await moveAndProve(rig, { image: second, output: "second" }, `${HOST}/second:v1`);
    const ownSize = second.layers.at(-1)?.size ?? 0;
    assert.ok(
      result.bytesTransferred < ownSize + 10_000,
      `${result.bytesTransferred} bytes moved, the new layer has ${ownSize}`,
    );
    assert.ok(result.bytesReused > 2_000_000n, `${result.bytesReused} bytes reused`);
  });

  test("a layer that is unpacked here is not needed as a blob", async () => {
    const shared = big("unpacked");
    const first = await runnable("unpacked first", { layers: [shared] });
    const blob = first.layers[1];
    assert.ok(blob);
    await loadImage(rig.node("b").containerd, first, {
      names: [`${HOST}/unpacked-first:v1`],
      without: [blob.digest],
    });
    const second = await runnable("unpacked second", { layers: [shared, big("u2", 1000)] });
    const result = await moveAndProve(
      rig,
      { image: second, output: "unpacked second" },
      `${HOST}/unpacked-second:v1`,
      {
        fromBlobs: false,
      },
    );
    assert.ok(result.bytesTransferred < 100_000n, `${result.bytesTransferred} bytes moved`);
  });

  test("content under another name needs records alone, and no source", async () => {
    const image = await runnable("renamed", { layers: [big("renamed")] });
    await loadImage(rig.node("b").containerd, image, { names: [`${HOST}/old-name:v1`] });
    const name = "other.test/new-name:v2";
    const result = await rig.import({ image, names: [name], target: "b", sources: [] });
    assert.equal(result.bytesTransferred, 0n);
    assert.ok(result.bytesReused > 2_000_000n);
    await proveImport(rig, result, name, "renamed");
    assert.ok(
      await imageStatus(rig.node("b").containerd, `${HOST}/old-name:v1`),
      "the old name is still there",
    );
  });

  test("content in another containerd namespace is taken over without a byte", async () => {
    const image = await runnable("moby", { layers: [big("moby")] });
    await loadImage(rig.node("b").containerd, image, { names: [`${HOST}/moby:v1`], namespace: "moby" });
    const name = `${HOST}/moby:v1`;
    assert.equal(await imageStatus(rig.node("b").containerd, name), undefined);
    const result = await rig.import({ image, names: [name], target: "b", sources: [] });
    assert.equal(result.bytesTransferred, 0n);
    await proveImport(rig, result, name, "moby");
  });

  test("an image that is here already is a matter of asking", async () => {
    const image = await runnable("again", { layers: [big("again")] });
    const name = `${HOST}/again:v1`;
    await moveAndProve(rig, { image, output: "again" }, name);
    const result = await rig.import({ image, names: [name], target: "b", sources: [] });
    assert.equal(result.bytesTransferred, 0n);
    await proveImport(rig, result, name, "again");
  });
});

describe("a large blob", () => {
  test("of 1 GiB moves in flat memory on both ends", { timeout: 300_000 }, async (t) => {
    // as in the container image
    const agent = { env: { NODE_OPTIONS: NODE_OPTION } };
    const rig = await startRig(t, { a: { agent }, b: { agent } });
    const size = 1024 ** 3;
    const image = await runnable("large", {
      dir: rig.cleanup.directory(),
      layers: [{ files: { large: { size, fill: "zeros" } }, compression: "none" }],
    });
    const peaks = new Map<string, number>();
    const sample = async (): Promise<void> => {
      for (const name of ["a", "b"]) {
        const status = await readFile(`/proc/${rig.node(name).agent.pid}/status`, "utf8");
        const kib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
        peaks.set(name, Math.max(peaks.get(name) ?? 0, kib / 1024));
      }
    };
    const result = await moveAndProve(rig, { image, output: "large" }, `${HOST}/large:v1`);
    assert.ok(result.bytesTransferred > BigInt(size));
    await sample();
    for (const [name, mib] of peaks) {
      t.diagnostic(`peak memory of agent ${name}: ${Math.round(mib)} MiB`);
      assert.ok(mib < MEMORY_MAX_MIB, `agent ${name} took ${Math.round(mib)} MiB at its peak`);
    }
  });
});
