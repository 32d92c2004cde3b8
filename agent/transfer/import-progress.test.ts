import assert from "node:assert/strict";
import { test } from "node:test";

import type { ImageTree } from "../image/tree.ts";
import { ProgressTracker } from "./import-progress.ts";

const layer = (digest: string, size: number) => ({
  mediaType: "layer",
  digest,
  size,
  diffId: "",
  chainId: "",
});
const manifest = { mediaType: "manifest", digest: "manifest", size: 10 };
const config = { mediaType: "config", digest: "config", size: 20 };
const TREE: ImageTree = {
  target: manifest,
  indexes: [],
  manifest,
  config,
  layers: [layer("one", 1000), layer("two", 500), layer("one", 1000)],
};
const TOTAL = 1530;

/** Manifest and configuration have come, layers are known. */
function begun(): ProgressTracker {
  const progress = new ProgressTracker();
  for (const { digest, size } of [manifest, config]) {
    progress.opened(digest, 0);
    progress.received(digest, size);
  }
  progress.begin(TREE);
  return progress;
}

/** A piece of a layer arrives. */
function receive(progress: ProgressTracker, digest: string, bytes: number, offset: number): void {
  progress.received(digest, bytes);
  progress.offset(digest, offset, "a");
}

test("a layer that an image has twice is one blob", () => {
  const progress = begun();
  assert.equal(progress.bytesTotal, TOTAL);
  progress.opened("one", 0);
  receive(progress, "one", 1000, 1000);
  const { layers, bytesTransferred } = progress.snapshot();
  assert.equal(bytesTransferred, 1030);
  assert.deepEqual(
    layers.map(({ offset, source }) => [offset, source]),
    [
      [1000, "a"],
      [0, ""],
      [1000, "a"],
    ],
  );
  assert.equal(progress.bytesStored, 1000);
});

test("what was here before counts as reused, what comes as transferred", () => {
  const progress = begun();
  progress.opened("one", 600);
  receive(progress, "one", 400, 1000);
  progress.layer(1, "unpacked");
  assert.deepEqual(
    [progress.snapshot().bytesTransferred, progress.snapshot().bytesReused],
    [430, 1100],
    "while it runs",
  );
  progress.phase = "recording";
  assert.deepEqual(
    [progress.snapshot().bytesTransferred, progress.snapshot().bytesReused],
    [430, TOTAL - 430],
  );
});

test("bytes that containerd lost when it went away, and that come once more, count once", () => {
  const progress = begun();
  progress.opened("one", 100);
  receive(progress, "one", 700, 800);
  progress.opened("one", 300);
  assert.equal(progress.snapshot().bytesTransferred, 30 + 200);
  assert.equal(progress.snapshot().layers[0]?.offset, 300);
  receive(progress, "one", 700, 1000);
  progress.opened("two", 0);
  receive(progress, "two", 500, 500);
  progress.phase = "verifying";
  const { bytesTransferred, bytesReused } = progress.snapshot();
  assert.deepEqual([bytesTransferred, bytesReused], [TOTAL - 100, 100]);
});

test("even what was here before may be lost", () => {
  const progress = begun();
  progress.opened("one", 100);
  progress.opened("one", 40);
  receive(progress, "one", 960, 1000);
  assert.equal(progress.snapshot().bytesTransferred, 30 + 960);
});

test("wrong bytes that were thrown away do not count, nor what was here of that blob", () => {
  const progress = begun();
  progress.opened("one", 500);
  receive(progress, "one", 500, 1000);
  progress.discarded("one");
  assert.equal(progress.snapshot().bytesTransferred, 30);
  assert.equal(progress.bytesStored, 0);
  progress.opened("one", 0);
  receive(progress, "one", 1000, 1000);
  assert.equal(progress.snapshot().bytesTransferred, 1030);
});
