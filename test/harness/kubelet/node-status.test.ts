import assert from "node:assert/strict";
import { test } from "node:test";

import { nodeImages } from "./node-status.ts";

test("a node's status has its 50 largest images with at most five names each, digests first", () => {
  const images = Array.from({ length: 60 }, (_none, at) => ({
    id: `sha256:${at}`,
    repoTags: Array.from({ length: 7 }, (_also, tag) => `r/app${at}:v${tag}`),
    repoDigests: [`r/app${at}@sha256:d`],
    size: at,
    pinned: false,
  }));
  const shown = nodeImages(images);
  assert.equal(shown.length, 50);
  assert.deepEqual(shown[0], {
    names: ["r/app59@sha256:d", "r/app59:v0", "r/app59:v1", "r/app59:v2", "r/app59:v3"],
    sizeBytes: 59,
  });
  assert.equal(shown.at(-1)?.sizeBytes, 10);
});
