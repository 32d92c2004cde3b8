import assert from "node:assert/strict";
import { test } from "node:test";

import { sha256Digest } from "../../lib/digest.ts";
import { joinNames, NameMismatchError, wantedNames } from "./names.ts";

const DIGEST = sha256Digest("image");
const OTHER = sha256Digest("other");

test("a tag gives the tag and the digest, under the full name of the registry", () => {
  assert.deepEqual(wantedNames(["nginx:1.25"], DIGEST), {
    given: ["nginx:1.25"],
    tags: ["docker.io/library/nginx:1.25"],
    digests: [`docker.io/library/nginx@${DIGEST}`],
  });
});

test("a digest gives the digest alone, and so does tag and digest", () => {
  for (const name of [`registry.test:5000/app@${DIGEST}`, `registry.test:5000/app:v1@${DIGEST}`]) {
    assert.deepEqual(wantedNames([name], DIGEST), {
      given: [name],
      tags: [],
      digests: [`registry.test:5000/app@${DIGEST}`],
    });
  }
});

test("a name with another digest is refused", () => {
  assert.throws(
    () => wantedNames(["a", `b@${OTHER}`], DIGEST),
    (error) => {
      assert.ok(error instanceof NameMismatchError);
      assert.match(error.message, /names\[1\]/);
      return true;
    },
  );
});

test("a malformed name is refused by its place", () => {
  assert.throws(() => wantedNames(["ok", "not/A/name"], DIGEST), /names\[1\]/);
});

test("joined names hold each name once", () => {
  const joined = joinNames(
    wantedNames(["app:v1", "app:v2"], DIGEST),
    wantedNames(["app:v2", "other:v1"], DIGEST),
  );
  assert.deepEqual(joined.given, ["app:v1", "app:v2", "other:v1"]);
  assert.equal(joined.tags.length, 3);
  assert.equal(joined.digests.length, 2);
});
