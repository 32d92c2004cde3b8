import { createHash } from "node:crypto";

import { InvalidValueError } from "./errors.ts";

/** A content digest as containerd and the OCI specification write it: "sha256:" and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether `value` is a sha256 digest in canonical form. Other algorithms are not: containerd stores none by default. */
export function isDigest(value: string): value is Digest {
  return DIGEST.test(value);
}

/**
 * Narrows `value` to a digest.
 * @throws InvalidValueError that names `field` and the value found
 */
export function assertDigest(field: string, value: string): asserts value is Digest {
  if (isDigest(value)) return;
  if (value === "") throw new InvalidValueError(field, "is empty, must be sha256:<64 lower-case hex digits>");
  const found = value.length > 100 ? `${value.slice(0, 100)}...` : value;
  throw new InvalidValueError(
    field,
    `${JSON.stringify(found)} is not a digest, must be sha256:<64 lower-case hex digits>`,
  );
}

/** The 64 hex digits of a digest: the name of its file below containerd's `blobs/sha256/`. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** Digest of `content`; a string counts as UTF-8. */
export function sha256Digest(content: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** Computes a digest from pieces. */
export interface Digester {
  /** Takes the next bytes. */
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far. Call once, at the end. */
  digest(): Digest;
}

/** A digester for content that arrives in pieces. */
export function createDigester(): Digester {
  const hash = createHash("sha256");
  return {
    update(bytes: Uint8Array): void {
      hash.update(bytes);
    },
    digest(): Digest {
      return `sha256:${hash.digest("hex")}`;
    },
  };
}
