import { createPrivateKey } from "node:crypto";
import type { KeyObject, X509Certificate } from "node:crypto";

import { CompactSign, compactVerify, decodeProtectedHeader, errors, importPKCS8, importSPKI } from "jose";

import { parseGrantClaims } from "./grant-claims.ts";
import type { GrantClaims } from "./grant-claims.ts";
import { algorithmsForKey, checkSignerCertificate } from "./grant-certificate.ts";
import type { GrantAlgorithm } from "./grant-certificate.ts";
import { GrantError } from "./grant-error.ts";
import { parseLeafCertificate } from "./pem.ts";

/** How far the clocks of two nodes may differ, in seconds. */
export const GRANT_LEEWAY_SECONDS = 60;

/** Longest grant that is looked at, in characters; one for an image of 1000 layers has about 135 thousand. */
export const MAX_GRANT_LENGTH = 1024 * 1024;

/** What a grant is checked against. */
export interface VerifyGrantOptions {
  /** the compact JWS */
  readonly token: string;
  /** the CAs of `--tls-ca`, see `parseCertificates` */
  readonly cas: readonly X509Certificate[];
  /** milliseconds since 1970 */
  readonly now: number;
  /** default {@link GRANT_LEEWAY_SECONDS} */
  readonly leewaySeconds?: number;
}

/** Who signs: the controller's TLS key and certificate, both PEM. */
export interface GrantSigner {
  readonly key: string;
  readonly cert: string;
}

/**
 * Signs claims as a compact JWS that carries the signer's certificate.
 * @throws GrantError "bad_certificate" when the key is of a kind that no agent accepts
 * @throws Error when key or certificate cannot be parsed, or do not belong together
 */
export async function signGrant(claims: GrantClaims, signer: GrantSigner): Promise<string> {
  const certificate = parseLeafCertificate(signer.cert, "the controller's certificate");
  const privateKey = createPrivateKey(signer.key);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error("the controller's key does not belong to its certificate");
  }
  const alg = preferredAlgorithm(certificate.publicKey);
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg, x5c: [certificate.raw.toString("base64")] })
    .sign(await importPKCS8(pkcs8, alg));
}

/**
 * Verifies a grant: form, algorithm, the one certificate that it carries, signature, and time. What the grant is for is
 * the business of `checkImport` and `checkExport`.
 * @throws GrantError with the first thing that is wrong
 */
export async function verifyGrant(options: VerifyGrantOptions): Promise<GrantClaims> {
  const { token, cas, now, leewaySeconds = GRANT_LEEWAY_SECONDS } = options;
  const leewayMs = leewaySeconds * 1000;
  const { alg, x5c } = readHeader(token);
  const certificate = checkSignerCertificate(x5c, cas, { now, leewayMs });
  const algorithm = algorithmsForKey(certificate.publicKey).find((allowed) => allowed === alg);
  if (algorithm === undefined) {
    const allowed = algorithmsForKey(certificate.publicKey).join(" or ");
    throw new GrantError(
      "wrong_algorithm",
      `grant is signed with ${JSON.stringify(alg)}, its certificate's key allows ${allowed}`,
    );
  }
  const claims = parseGrantClaims(await verifyPayload(token, certificate, algorithm));
  checkTime(claims, now, leewayMs);
  return claims;
}

const KNOWN_ALGORITHMS: ReadonlySet<unknown> = new Set<GrantAlgorithm>([
  "ES256",
  "ES384",
  "PS256",
  "RS256",
  "EdDSA",
]);

function readHeader(token: string): { readonly alg: unknown; readonly x5c: unknown } {
  if (token === "")
    throw new GrantError("malformed", "there is no grant, one signed by the controller is needed");
  if (token.length > MAX_GRANT_LENGTH) {
    throw new GrantError(
      "malformed",
      `grant has ${token.length} characters, at most ${MAX_GRANT_LENGTH} are allowed`,
    );
  }
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token))
    throw new GrantError("malformed", "grant is not a compact JWS");
  let header: { alg?: unknown; x5c?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch (error) {
    throw new GrantError("malformed", "header of the grant cannot be read", { cause: error });
  }
  const { alg, x5c } = header;
  if (!KNOWN_ALGORITHMS.has(alg)) {
    const known = [...KNOWN_ALGORITHMS].join(", ");
    throw new GrantError(
      "wrong_algorithm",
      `grant is signed with ${JSON.stringify(alg)}, must be one of ${known}`,
    );
  }
  return { alg, x5c };
}

async function verifyPayload(
  token: string,
  certificate: X509Certificate,
  algorithm: GrantAlgorithm,
): Promise<unknown> {
  const spki = certificate.publicKey.export({ type: "spki", format: "pem" }).toString();
  const key = await importSPKI(spki, algorithm);
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      throw new GrantError("bad_signature", "signature of the grant does not belong to its content", {
        cause: error,
      });
    }
    throw new GrantError("malformed", "grant cannot be read", { cause: error });
  }
}

function preferredAlgorithm(key: KeyObject): GrantAlgorithm {
  const [algorithm] = algorithmsForKey(key);
  if (algorithm === undefined)
    throw new GrantError("bad_certificate", "no algorithm for the controller's key");
  return algorithm;
}

function checkTime(claims: GrantClaims, now: number, leewayMs: number): void {
  const here = new Date(now).toISOString();
  if (claims.nbf >= claims.exp) throw new GrantError("malformed", "grant ends before it begins");
  if (now + leewayMs < claims.nbf * 1000) {
    throw new GrantError(
      "early",
      `grant is valid from ${isoSeconds(claims.nbf)}, here it is ${here}: compare the clocks`,
    );
  }
  if (now - leewayMs >= claims.exp * 1000) {
    throw new GrantError(
      "expired",
      `grant expired at ${isoSeconds(claims.exp)}, here it is ${here}: ask for a fresh one`,
    );
  }
}

/** A time in seconds since 1970, which a signer may have set to anything. */
function isoSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString();
}
