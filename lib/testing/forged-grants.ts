import assert from "node:assert/strict";
import { createPrivateKey, sign as signBytes } from "node:crypto";
import type { X509Certificate } from "node:crypto";

import { createAuthority, issueCertificate } from "../certs.ts";
import type { CertificateOptions, Identity } from "../certs.ts";
import type { GrantClaims } from "../grant-claims.ts";
import { GrantError } from "../grant-error.ts";
import type { GrantErrorCode } from "../grant-error.ts";
import { verifyGrant } from "../grant.ts";
import { parseCertificates, parseLeafCertificate } from "../pem.ts";

/** The time at which the claims below begin, in milliseconds. */
export const NOW = Date.UTC(2026, 5, 1, 12, 0, 0);
export const SECOND = 1000;
export const DAY = 86_400 * SECOND;
export const VALIDITY = { notBefore: NOW - DAY, notAfter: NOW + DAY };
export const DIGEST = `sha256:${"a".repeat(64)}`;
export const BLOB = `sha256:${"b".repeat(64)}`;

/** Good claims, for 300 seconds. */
export const CLAIMS: GrantClaims = {
  op: "import",
  jti: "g-1",
  nbf: NOW / SECOND,
  exp: NOW / SECOND + 300,
  digest: DIGEST,
  target: { node: "node-b" },
  sources: [{ node: "node-a", endpoint: "https://10.0.0.7:9090" }],
  record: "shop/salvage-1",
  epoch: 3,
  names: ["docker.io/library/nginx:1.25"],
  max_bytes: 0,
  blobs: [],
  export_grant: "a.b.c",
};

/** A release with its CA and its controller. */
export class GrantWorld {
  readonly ca: Identity;
  readonly cas: readonly X509Certificate[];
  readonly controller: Identity;

  private constructor(ca: Identity, controller: Identity) {
    this.ca = ca;
    this.cas = parseCertificates(ca.cert, "ca");
    this.controller = controller;
  }

  static async create(): Promise<GrantWorld> {
    const ca = await createAuthority({ commonName: "tote CA", ...VALIDITY });
    return new GrantWorld(ca, await issueCertificate(ca, { dnsNames: ["tote-controller"], ...VALIDITY }));
  }

  /** A controller's certificate of our CA, but for what the options say. */
  issue(options: Partial<CertificateOptions>, issuer: Identity = this.ca): Promise<Identity> {
    return issueCertificate(issuer, { dnsNames: ["tote-controller"], ...VALIDITY, ...options });
  }

  verify(token: string, now = NOW, trusted = this.cas): Promise<GrantClaims> {
    return verifyGrant({ token, cas: trusted, now });
  }
}

/** Fails unless the verification is refused with this code, by a message that does not give the grant away. */
export async function assertRefused(
  code: GrantErrorCode,
  verification: Promise<unknown>,
  message?: RegExp,
): Promise<void> {
  await assert.rejects(verification, (error) => {
    assert.ok(error instanceof GrantError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    assert.doesNotMatch(error.message, /eyJ/, "the message does not repeat the grant");
    return true;
  });
}

/** Text, or a value as JSON, in base64url. */
export function base64url(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** The certificate as `x5c` holds it. */
export function der(identity: Identity): string {
  return parseLeafCertificate(identity.cert, "cert").raw.toString("base64");
}

/** A token with any header and payload, signed with ES256 by a key of the test's choice. */
export function forge(header: object, payload: unknown, key: string): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const signature = signBytes("sha256", Buffer.from(input), {
    key: createPrivateKey(key),
    dsaEncoding: "ieee-p1363",
  });
  return `${input}.${signature.toString("base64url")}`;
}

/** Good or other claims signed by `signer`, with any certificates in `x5c`. */
export function forgeWithChain(
  chain: readonly string[],
  signer: Identity,
  payload: unknown = CLAIMS,
): string {
  return forge({ alg: "ES256", x5c: chain }, payload, signer.key);
}
