import assert from "node:assert/strict";
import { statfs } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, stateOf } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

const DISK_BYTES = 24 << 20;

describe("the target's disk is full", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: { containerd: { tmpfsSize: DISK_BYTES } } });
  });
  after(() => rig.cleanup.run());

  async function onSource(
    title: string,
    layers: readonly number[],
  ): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title, { layers });
    await loadImage(rig.node("a").containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b" } };
  }

  async function freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(rig.node("b").containerd.root);
    return bavail * bsize;
  }

  /** Imports what cannot fit, and asserts that the room it took is free again. */
  async function assertRefused(
    wanted: UniqueImage & { readonly order: RigImport },
    where: RegExp,
  ): Promise<void> {
    const b = rig.node("b");
    const untouched = await stateOf(b);
    const free = await freeBytes();
    const failure = await failureOf(rig.import(wanted.order));
    assert.equal(failure.code, Code.ResourceExhausted);
    assert.match(
      failure.message,
      /no space left for sha256:[0-9a-f]{64} on this node: .*no space left on device/,
    );
    assert.match(failure.message, where);
    assert.equal(failure.retryable, false);
    assert.equal(failure.bytesResumable, 0);
    assert.equal(failure.sources.size, 0, "a source was blamed");
    await assertUnchanged(b, untouched);
    // containerd's database may have grown
    const lost = free - (await freeBytes());
    assert.ok(lost < 300_000, `${lost} bytes were not given back`);
    assert.equal(await imageStatus(b.containerd, wanted.name), undefined);
  }

  test("while it is fetched: all is given back, and a smaller image is imported", async () => {
    // the second layer finds no room, or the first, should it be unpacked meanwhile
    await assertRefused(
      await onSource("blobs-too-large", [15_000_000, 15_000_000]),
      /io\.containerd\.(content|snapshotter)\./,
    );
    const small = await onSource("small", [100_000]);
    await assertSalvaged(rig.node("b"), small, await rig.import(small.order));
  });

  test("while it is unpacked: all is given back", async () => {
    // fits as blobs, but not once more as snapshots
    await assertRefused(
      await onSource("snapshots-too-large", [2_000_000, 9_000_000]),
      /snapshotter\S+\/snapshots\//,
    );
  });
});
