import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { assertDigest, createDigester, digestHex, isDigest, sha256Digest } from "./digest.ts";
import { InvalidValueError } from "./errors.ts";

const HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe("isDigest", () => {
  it("holds for sha256 in canonical form", () => assert.equal(isDigest(`sha256:${HEX}`), true));
  for (const value of [
    "",
    HEX,
    `sha256:${HEX.toUpperCase()}`,
    `SHA256:${HEX}`,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX}0`,
    `sha256:${HEX}\n`,
    ` sha256:${HEX}`,
    `sha512:${HEX}${HEX}`,
    `sha256:../../../../../../../../../../../../../../../../etc/passwd00000000`,
  ]) {
    it(`does not hold for ${JSON.stringify(value)}`, () => assert.equal(isDigest(value), false));
  }
});

describe("assertDigest", () => {
  it("names the field, the value and what is allowed", () => {
    assert.throws(
      () => assertDigest("sources[0].digest", "latest"),
      (error) =>
        error instanceof InvalidValueError &&
        error.field === "sources[0].digest" &&
        error.message ===
          'sources[0].digest: "latest" is not a digest, must be sha256:<64 lower-case hex digits>',
    );
    assert.throws(() => assertDigest("digest", ""), /^InvalidValueError: digest: is empty/);
  });

  it("does not repeat a long value in full", () => {
    assert.throws(
      () => assertDigest("digest", "x".repeat(10_000)),
      (error) => error instanceof Error && error.message.length < 250,
    );
  });
});

describe("sha256Digest", () => {
  it("digests text and bytes, at once and in pieces", () => {
    assert.equal(sha256Digest(""), `sha256:${HEX}`);
    const digester = createDigester();
    digester.update(new TextEncoder().encode("image "));
    digester.update(new TextEncoder().encode("salvage"));
    assert.equal(digester.digest(), sha256Digest("image salvage"));
    assert.equal(digestHex(sha256Digest("")), HEX);
  });
});
