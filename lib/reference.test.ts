import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { InvalidValueError } from "./errors.ts";
import { normalizeReference, parseReference, parseReferenceOrDigest } from "./reference.ts";

const HEX = "7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa";
const DIGEST = `sha256:${HEX}`;
const SHA512 = `sha512:${HEX}${HEX}`;

/** What a pod writes, and the name under which containerd's CRI plugin keeps the image. */
const NORMALIZED: readonly (readonly [string, string])[] = [
  // short names
  ["nginx", "docker.io/library/nginx:latest"],
  ["nginx:1.25", "docker.io/library/nginx:1.25"],
  ["library/nginx", "docker.io/library/nginx:latest"],
  ["bitnami/redis:7", "docker.io/bitnami/redis:7"],
  ["a/b/c/d:e", "docker.io/a/b/c/d:e"],
  ["docker.io/nginx", "docker.io/library/nginx:latest"],
  ["docker.io/bitnami/redis", "docker.io/bitnami/redis:latest"],
  ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
  ["index.docker.io/bitnami/redis", "docker.io/bitnami/redis:latest"],
  ["docker.io/library/nginx:latest", "docker.io/library/nginx:latest"],
  // registries
  ["quay.io/coreos/etcd:v3.5", "quay.io/coreos/etcd:v3.5"],
  ["registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"],
  ["registry-1.docker.io/library/nginx", "registry-1.docker.io/library/nginx:latest"],
  ["localhost/app", "localhost/app:latest"],
  ["localhost:5000/app:v1", "localhost:5000/app:v1"],
  ["registry:5000/app", "registry:5000/app:latest"],
  ["10.0.0.1:5000/team/app:v1", "10.0.0.1:5000/team/app:v1"],
  ["127.0.0.1/app", "127.0.0.1/app:latest"],
  ["[::1]:5000/app", "[::1]:5000/app:latest"],
  ["[fd00:1:2::3]/repo", "[fd00:1:2::3]/repo:latest"],
  ["xn--n3h.com/app", "xn--n3h.com/app:latest"],
  // an upper-case first element can only be a registry
  ["Registry/app:v1", "Registry/app:v1"],
  ["REGISTRY.Example.COM/app", "REGISTRY.Example.COM/app:latest"],
  // without a slash nothing is a registry
  ["localhost:5000", "docker.io/library/localhost:5000"],
  ["example.com", "docker.io/library/example.com:latest"],
  ["localhost", "docker.io/library/localhost:latest"],
  // digests
  [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
  [`nginx:1.25@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
  [`docker.io/library/busybox:latest@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
  [`registry:5000/team/app:v1@${DIGEST}`, `registry:5000/team/app@${DIGEST}`],
  [`app@${SHA512}`, `docker.io/library/app@${SHA512}`],
  // separators
  ["a_b/c__d/e-f/g---h/i.j", "docker.io/a_b/c__d/e-f/g---h/i.j:latest"],
  ["foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"],
  // an element that looks like a registry but is none stays in the path
  ["foo_bar.com/app", "foo_bar.com/app:latest"],
  // tags
  ["app:_", "docker.io/library/app:_"],
  ["app:V1.2-rc_3", "docker.io/library/app:V1.2-rc_3"],
  [`app:${"t".repeat(128)}`, `docker.io/library/app:${"t".repeat(128)}`],
  // 64 hex digits are fine with a tag or a registry
  [`${HEX}:v1`, `docker.io/library/${HEX}:v1`],
  [`docker.io/${HEX}`, `docker.io/library/${HEX}:latest`],
  // lengths
  [`example.com/${"a".repeat(255)}`, `example.com/${"a".repeat(255)}:latest`],
];

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /is empty/],
  [" ", /is not a repository name/],
  ["nginx ", /is not a repository name/],
  [" nginx", /is not a repository name/],
  ["nginx:1.25\n", /is not a tag/],
  ["nginx:", /"" is not a tag/],
  [":1.25", /the repository name is missing/],
  ["nginx:.hidden", /is not a tag/],
  ["nginx:-dash", /is not a tag/],
  ["nginx:a:b", /is not a tag/],
  ["nginx:a/b", /is not a registry host|is not a tag/],
  [`nginx:${"t".repeat(129)}`, /is not a tag/],
  ["nginx@", /is not a digest/],
  ["nginx@sha256:abc", /is not a digest/],
  [`nginx@sha256:${HEX.toUpperCase()}`, /is not a digest/],
  [`nginx@SHA256:${HEX}`, /is not a digest/],
  [`nginx@md5:${HEX}`, /is not a digest/],
  [`nginx@${DIGEST}:v1`, /is not a digest/],
  [`nginx@${DIGEST}@${DIGEST}`, /is not a digest/],
  [`@${DIGEST}`, /the repository name is missing/],
  ["Nginx", /must be lower case/],
  ["library/Nginx", /must be lower case/],
  ["registry:5000/App", /must be lower case/],
  [HEX, /64 hex digits alone/],
  [DIGEST, /a digest without a repository/],
  ["/nginx", /is not a repository name/],
  ["nginx/", /the repository name is missing/],
  ["docker.io/", /the repository name is missing/],
  ["docker.io//nginx", /is not a repository name/],
  ["a//b", /is not a repository name/],
  ["a..b", /is not a repository name/],
  ["a___b", /is not a repository name/],
  ["_a", /is not a repository name/],
  ["a_", /is not a repository name/],
  ["-app", /is not a repository name/],
  ["foo_bar.com:8080/app", /is not a registry host/],
  ["-registry.com/app", /is not a registry host/],
  ["registry:port/app", /is not a registry host/],
  ["[fe80::1%eth0]:5000/app", /is not a registry host/],
  ["https://images.test/app", /is not a re/],
  ["user@registry.example.com/app", /is not a digest/],
  ["näme", /is not a repository name/],
  ["../../etc/passwd", /is not a re/],
  [`example.com/${"a".repeat(256)}`, /has 256 characters, at most 255/],
  ["a".repeat(5000), /is 5000 characters long/],
];

describe("parseReference", () => {
  for (const [value, canonical] of NORMALIZED) {
    const shown = value.length > 80 ? `${value.slice(0, 80)}...` : value;
    it(`reads ${shown} as ${canonical.slice(0, 80)}`, () => {
      assert.equal(normalizeReference(value), canonical);
      assert.equal(normalizeReference(canonical), canonical, "the canonical form stays as it is");
    });
  }

  for (const [value, reason] of REFUSED) {
    it(`refuses ${JSON.stringify(value.slice(0, 80))}`, () => {
      assert.throws(
        () => parseReference(value, "names[2]"),
        (error) => {
          assert.ok(error instanceof InvalidValueError);
          assert.match(error.message, /^names\[2\]: /);
          assert.match(error.message, reason);
          assert.ok(error.message.length < 700);
          return true;
        },
      );
    });
  }

  it("gives the parts, with either tag or digest", () => {
    assert.deepEqual(parseReference("registry:5000/team/app:v1"), {
      domain: "registry:5000",
      path: "team/app",
      repository: "registry:5000/team/app",
      tag: "v1",
      canonical: "registry:5000/team/app:v1",
    });
    assert.deepEqual(parseReference(`nginx:1.25@${DIGEST}`), {
      domain: "docker.io",
      path: "library/nginx",
      repository: "docker.io/library/nginx",
      digest: DIGEST,
      canonical: `docker.io/library/nginx@${DIGEST}`,
    });
    assert.equal(parseReference("foo_bar.com/app").domain, "");
  });

  it("takes no longer for a hostile name than for any other", () => {
    const started = performance.now();
    for (const value of [`${"a-".repeat(2000)}!`, `${"a.".repeat(2000)}!/x`, `x/${"a__".repeat(1300)}!`]) {
      assert.throws(() => parseReference(value), InvalidValueError);
    }
    assert.ok(performance.now() - started < 10_000);
  });
});

describe("parseReferenceOrDigest", () => {
  it("tells a digest from a reference", () => {
    assert.deepEqual(parseReferenceOrDigest(DIGEST), { kind: "digest", digest: DIGEST });
    const found = parseReferenceOrDigest("nginx");
    assert.equal(
      found.kind === "reference" ? found.reference.canonical : "",
      "docker.io/library/nginx:latest",
    );
    assert.throws(() => parseReferenceOrDigest(SHA512), /a digest without a repository/);
  });
});
