import assert from "node:assert/strict";
import { test } from "node:test";

import { digestOf } from "../testing/nodes.ts";
import { digestOfImageId, parseDigestName, parseImageId } from "./image-id.ts";

const D = digestOf("a");

const IDS: readonly (readonly [string, string | undefined])[] = [
  [`registry.test:5000/app@${D}`, "registry.test:5000/app"],
  [`docker.io/library/nginx@${D}`, "docker.io/library/nginx"],
  [`nginx@${D}`, "docker.io/library/nginx"],
  [`docker-pullable://nginx@${D}`, "docker.io/library/nginx"],
  [`docker-pullable://registry.test:5000/a/b@${D}`, "registry.test:5000/a/b"],
  [D, undefined],
  [`docker://${D}`, undefined],
  ["", undefined],
  ["nginx:1.25", undefined],
  [`nginx@${D}0`, undefined],
  [`nginx@sha512:${"a".repeat(128)}`, undefined],
  [`registry.test/UPPER@${D}`, undefined],
  [`@${D}`, undefined],
  [`${"a".repeat(5000)}@${D}`, undefined],
];

for (const [imageId, repository] of IDS) {
  test(`imageID ${imageId.slice(0, 60)} proves ${repository ?? "nothing"}`, () => {
    assert.deepEqual(parseImageId(imageId), repository === undefined ? undefined : { repository, digest: D });
  });
}

test("the digest alone is read without parsing the name", () => {
  assert.equal(digestOfImageId(`x@${D}`), D);
  assert.equal(digestOfImageId(D), undefined);
});

test("a name with a tag has no digest", () => {
  assert.equal(parseDigestName("nginx:1.25"), undefined);
  assert.equal(parseDigestName("<none>@<none>"), undefined);
});
