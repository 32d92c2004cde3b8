import { X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { GrantError } from "./grant-error.ts";
import type { GrantErrorCode } from "./grant-error.ts";
import { RoleError, ROLES, roleOfCertificate } from "./roles.ts";
import type { RoleErrorCode } from "./roles.ts";
import { dnsNamesOfCertificate } from "./subject-alt-names.ts";

/** Signature algorithms of grants. None of them can be confused with a shared secret. */
export type GrantAlgorithm = "ES256" | "ES384" | "PS256" | "RS256" | "EdDSA";

/** Smallest RSA key that is accepted, in bits. */
const MIN_RSA_BITS = 2048;

/** Largest certificate that is looked at, in base64 characters. */
const MAX_CERTIFICATE_LENGTH = 16_384;

/** When and how strictly certificates are judged. */
export interface CertificateTime {
  /** milliseconds since 1970 */
  readonly now: number;
  /** how far clocks may differ, in milliseconds */
  readonly leewayMs: number;
}

/**
 * The algorithms that may be used with a key, preferred first.
 * @throws GrantError "bad_certificate" for any other kind of key, and for RSA below 2048 bits
 */
export function algorithmsForKey(key: KeyObject): readonly GrantAlgorithm[] {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case "ec":
      if (details?.namedCurve === "prime256v1") return ["ES256"];
      if (details?.namedCurve === "secp384r1") return ["ES384"];
      break;
    case "rsa":
      if ((details?.modulusLength ?? 0) >= MIN_RSA_BITS) return ["PS256", "RS256"];
      break;
    case "ed25519":
      return ["EdDSA"];
    default:
  }
  const size = details?.namedCurve ?? details?.modulusLength ?? "";
  throw new GrantError(
    "bad_certificate",
    `signer's key is ${key.asymmetricKeyType ?? "unknown"} ${size}, must be EC P-256 or P-384, RSA of at least ${MIN_RSA_BITS} bits, or Ed25519`,
  );
}

/**
 * Reads the certificate that a grant carries in its `x5c` header (RFC 7515, section 4.1.6) and checks that it may sign:
 * exactly one, issued directly by one of `cas`, valid now, no CA itself, and the controller's. A chain is refused even
 * if it leads to a CA of ours: a leaf must not vouch for a leaf.
 * @throws GrantError
 */
export function checkSignerCertificate(
  x5c: unknown,
  cas: readonly X509Certificate[],
  time: CertificateTime,
): X509Certificate {
  const certificate = readCertificate(x5c);
  if (certificate.ca)
    throw new GrantError("certificate_is_ca", "signer's certificate is a CA, must be the controller's");
  const issuers = cas.filter((ca) => isIssuedBy(certificate, ca));
  if (issuers.length === 0) {
    const issuer = certificate.issuer.replaceAll("\n", ", ");
    throw new GrantError(
      "wrong_ca",
      `signer's certificate, issued by ${JSON.stringify(issuer)}, is not from our CA`,
    );
  }
  checkValidity("signer's certificate", certificate, time);
  checkAnyValid(issuers, time);
  checkRole(certificate);
  return certificate;
}

function readCertificate(x5c: unknown): X509Certificate {
  if (!Array.isArray(x5c) || x5c.length !== 1) {
    const found = Array.isArray(x5c) ? `${x5c.length} certificates` : "no list of certificates";
    throw new GrantError("certificate_chain", `grant carries ${found} in x5c, must be exactly one`);
  }
  const [encoded]: unknown[] = x5c;
  if (typeof encoded !== "string" || encoded.length > MAX_CERTIFICATE_LENGTH) {
    throw new GrantError("bad_certificate", "x5c of the grant is not a base64 text of usual length");
  }
  const der = Buffer.from(encoded, "base64");
  if (der.toString("base64") !== encoded)
    throw new GrantError("bad_certificate", "x5c of the grant is not base64");
  try {
    dnsNamesOfCertificate(der); // refuses bytes behind the certificate, which the parsers of Node and Deno overlook
    return new X509Certificate(der);
  } catch (error) {
    throw new GrantError("bad_certificate", "signer's certificate cannot be parsed", { cause: error });
  }
}

function isIssuedBy(certificate: X509Certificate, ca: X509Certificate): boolean {
  return ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}

/** One CA may be there twice during a rotation, with the same key and another lifetime. */
function checkAnyValid(issuers: readonly X509Certificate[], time: CertificateTime): void {
  const problems: GrantError[] = [];
  for (const issuer of issuers) {
    try {
      checkValidity("the CA of the signer's certificate", issuer, time);
      return;
    } catch (error) {
      if (!(error instanceof GrantError)) throw error;
      problems.push(error);
    }
  }
  const [first] = problems;
  if (first !== undefined) throw first;
}

function checkValidity(what: string, certificate: X509Certificate, { now, leewayMs }: CertificateTime): void {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (!(now + leewayMs >= from)) {
    throw new GrantError(
      "certificate_early",
      `${what} is valid from ${certificate.validFrom}, here it is ${isoTime(now)}`,
    );
  }
  if (!(now - leewayMs <= to)) {
    throw new GrantError(
      "certificate_expired",
      `${what} expired on ${certificate.validTo}, here it is ${isoTime(now)}`,
    );
  }
}

const CODES_OF_ROLE_ERRORS = {
  no_role: "wrong_role",
  several_roles: "several_roles",
  malformed: "bad_certificate",
} as const satisfies Record<RoleErrorCode, GrantErrorCode>;

function checkRole(certificate: X509Certificate): void {
  try {
    const role = roleOfCertificate(certificate);
    if (role === ROLES.controller) return;
    throw new GrantError("wrong_role", `grant is signed by ${role}, only ${ROLES.controller} may sign`);
  } catch (error) {
    if (!(error instanceof RoleError)) throw error;
    throw new GrantError(CODES_OF_ROLE_ERRORS[error.code], `signer's ${error.message}`, { cause: error });
  }
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
