/** The certificate of one party. */

import { X509Certificate } from "node:crypto";

import { issueCertificate } from "../../lib/certs.ts";
import { describeError } from "../../lib/errors.ts";
import { dnsNamesOfCertificate } from "../../lib/subject-alt-names.ts";
import { checkTlsMaterial } from "../../lib/tls.ts";
import { endOf, isAged, type Authorities } from "./authorities.ts";
import { BACKDATE_MS, DAY_MS } from "./limits.ts";

/** What a party's certificate must be. */
export interface WantedLeaf {
  /** its role, if it has one, first */
  readonly dnsNames: readonly string[];
  readonly days: number;
}

/** A party's data, and why it is not what it was. */
export interface LeafStep {
  readonly data: Readonly<Record<string, string>>;
  /** undefined when nothing changed */
  readonly done: string | undefined;
}

/**
 * Keeps a party's certificate, renews it, or passes on whom to trust.
 * @param data of its Secret; undefined when there is none
 * @param now milliseconds since 1970
 */
export async function stepLeaf(
  data: Readonly<Record<string, string>> | undefined,
  wanted: WantedLeaf,
  { active, bundle }: Authorities,
  now: number,
): Promise<LeafStep> {
  const ca = bundle.join("");
  const why = data === undefined ? "made" : whyRenew(data, wanted, active.cert, now);
  if (data !== undefined && why === undefined) {
    if (data["ca.crt"] === ca) return { data, done: undefined };
    return { data: { ...data, "ca.crt": ca }, done: "told of the CAs that are trusted now" };
  }
  const { cert, key } = await issueCertificate(active, {
    dnsNames: wanted.dnsNames,
    notBefore: now - BACKDATE_MS,
    notAfter: Math.min(now + wanted.days * DAY_MS, endOf(active.cert)),
  });
  return { data: { "tls.crt": cert, "tls.key": key, "ca.crt": ca }, done: why };
}

function whyRenew(
  data: Readonly<Record<string, string>>,
  { dnsNames }: WantedLeaf,
  authority: string,
  now: number,
): string | undefined {
  const cert = data["tls.crt"] ?? "";
  try {
    checkTlsMaterial(
      { cert, key: data["tls.key"] ?? "", ca: authority },
      { cert: "tls.crt", key: "tls.key", ca: "ca.crt" },
    );
    const certificate = new X509Certificate(cert);
    if (!certificate.verify(new X509Certificate(authority).publicKey)) return "renewed, another CA signs now";
    const names = dnsNamesOfCertificate(certificate.raw);
    if (names.join() !== dnsNames.join()) return "renewed, its names changed";
  } catch (error) {
    return `made anew: ${describeError(error)}`;
  }
  return isAged(cert, now) ? "renewed, less than a third of its life was left" : undefined;
}
