import assert from "node:assert/strict";
import { test } from "node:test";

import { UNPACKED_PER_COMPRESSED } from "../limits.ts";
import { checkRoom, neededBytes, type BlobState } from "./room.ts";

const GIB = 2 ** 30;
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

function blob(size: number, options: Partial<BlobState> = {}): BlobState {
  return { mediaType: GZIP, size, present: false, unpacked: false, ...options };
}

const NEEDED: readonly (readonly [string, BlobState, number])[] = [
  ["a compressed layer", blob(10), 10 + 10 * UNPACKED_PER_COMPRESSED],
  ["a zstd layer", blob(10, { mediaType: "application/vnd.oci.image.layer.v1.tar+zstd" }), 40],
  ["a Docker layer", blob(10, { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }), 40],
  ["a plain layer", blob(10, { mediaType: "application/vnd.oci.image.layer.v1.tar" }), 20],
  ["a layer that is stored and not unpacked", blob(10, { present: true }), 30],
  ["a layer that is unpacked", blob(10, { present: true, unpacked: true }), 0],
  ["a layer that is unpacked and discarded", blob(10, { unpacked: true }), 0],
  ["a configuration", blob(10, { mediaType: "application/vnd.oci.image.config.v1+json" }), 10],
  [
    "a manifest that is there",
    blob(10, { mediaType: "application/vnd.oci.image.manifest.v1+json", present: true }),
    0,
  ],
];

for (const [what, state, expected] of NEEDED) {
  test(`${what} of 10 bytes takes ${expected}`, () => {
    assert.equal(neededBytes([state]), expected);
  });
}

function room(options: Partial<Parameters<typeof checkRoom>[0]>): string {
  const answer = checkRoom({
    blobs: [blob(GIB)],
    freeBytes: 100 * GIB,
    totalBytes: 100 * GIB,
    minFreePercent: 20,
    maxImageBytes: 2 * GIB,
    ...options,
  });
  return answer.fits ? "fits" : answer.reason;
}

const ROOM: readonly (readonly [string, Partial<Parameters<typeof checkRoom>[0]>, string])[] = [
  ["an empty disk", {}, "fits"],
  ["exactly the line", { freeBytes: 24 * GIB }, "fits"],
  ["a byte below the line", { freeBytes: 24 * GIB - 1 }, "InsufficientRoom"],
  ["a line of 0", { freeBytes: 4 * GIB, minFreePercent: 0 }, "fits"],
  ["more than is free", { freeBytes: 4 * GIB - 1, minFreePercent: 0 }, "InsufficientRoom"],
  ["a disk that is below the line already", { freeBytes: GIB }, "InsufficientRoom"],
  [
    "nothing missing on a disk below the line",
    { freeBytes: GIB, blobs: [blob(GIB, { unpacked: true })] },
    "fits",
  ],
  ["a disk that nobody can see", { freeBytes: undefined, totalBytes: undefined }, "fits"],
  ["the largest image", { blobs: [blob(2 * GIB)] }, "fits"],
  ["an image too large", { blobs: [blob(2 * GIB), blob(1)] }, "ImageTooLarge"],
  [
    "an image too large that is there already",
    { blobs: [blob(3 * GIB, { unpacked: true })] },
    "ImageTooLarge",
  ],
  ["a large image without limit", { blobs: [blob(3 * GIB)], maxImageBytes: 0 }, "fits"],
];

for (const [what, options, expected] of ROOM) {
  test(`${what}: ${expected}`, () => {
    assert.equal(room(options), expected);
  });
}

test("a refusal names sizes and flag", () => {
  const answer = checkRoom({
    blobs: [blob(GIB)],
    freeBytes: 10 * GIB,
    totalBytes: 100 * GIB,
    minFreePercent: 20,
    maxImageBytes: 0,
  });
  assert.ok(!answer.fits);
  assert.match(answer.message, /about 4 GiB .* 10 GiB are free and 20 GiB must stay .*--min-free-percent=20/);
});
