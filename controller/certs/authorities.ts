/** Which CA signs, which one comes next, and whom everybody trusts. */

import { createPrivateKey, X509Certificate } from "node:crypto";

import { createAuthority, type Identity } from "../../lib/certs.ts";
import { parseCertificates } from "../../lib/pem.ts";
import { checkTlsMaterial } from "../../lib/tls.ts";
import { AUTHORITY_DAYS, BACKDATE_MS, DAY_MS, OVERLAP_MS, RENEW_BELOW_PART } from "./limits.ts";

/** The CAs of a release. */
export interface Authorities {
  /** signs */
  readonly active: Identity;
  /** is trusted already and signs when everybody knows it */
  readonly next: Identity | undefined;
  /** certificates that are trusted, PEM: the active one, the next one, and those before that are valid still */
  readonly bundle: readonly string[];
}

/** What became of the CAs. */
export interface AuthorityStep {
  readonly authorities: Authorities;
  /** what was done; undefined when nothing was */
  readonly done: string | undefined;
}

/**
 * Takes the CAs one step on: makes the first one; announces a successor when less than a third of its life is left;
 * lets the successor sign once everybody has had the time to learn of it.
 * @param now milliseconds since 1970
 */
export async function stepAuthorities(current: Authorities | undefined, now: number): Promise<AuthorityStep> {
  if (current === undefined) {
    const active = await makeAuthority(now);
    return { authorities: { active, next: undefined, bundle: [active.cert] }, done: "made" };
  }
  const { active, next } = current;
  const bundle = current.bundle.filter((cert) => endOf(cert) > now);
  if (next !== undefined && (isKnown(next.cert, now) || endOf(active.cert) <= now)) {
    const trusted = [next.cert, ...bundle.filter((cert) => cert !== next.cert)];
    return {
      authorities: { active: next, next: undefined, bundle: trusted },
      done: "its successor signs from now on",
    };
  }
  if (endOf(active.cert) <= now) {
    const made = await makeAuthority(now);
    return {
      authorities: { active: made, next: undefined, bundle: [made.cert] },
      done: "made anew, it had expired",
    };
  }
  if (next === undefined && isAged(active.cert, now)) {
    const made = await makeAuthority(now);
    return {
      authorities: { active, next: made, bundle: [...bundle, made.cert] },
      done: "its successor is announced",
    };
  }
  const isSame = bundle.length === current.bundle.length;
  return {
    authorities: isSame ? current : { active, next, bundle },
    done: isSame ? undefined : "an expired one is trusted no more",
  };
}

/** Whether less than a third of a certificate's life is left. */
export function isAged(cert: string, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(cert);
  const life = Date.parse(validTo) - Date.parse(validFrom);
  return Date.parse(validTo) - now < life / RENEW_BELOW_PART;
}

/** When a certificate ends, in milliseconds since 1970. */
export function endOf(cert: string): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

/**
 * Reads the CAs from the data of their Secret.
 * @param name how errors call it
 * @throws Error when they cannot be used; nothing is made anew then, since all that the old CA signed would be void
 */
export function readAuthorities(data: Readonly<Record<string, string>>, name: string): Authorities {
  try {
    const active = readIdentity(data, "tls.crt", "tls.key");
    const hasNext = data["next.crt"] !== undefined && data["next.key"] !== undefined;
    const next = hasNext ? readIdentity(data, "next.crt", "next.key") : undefined;
    const bundle = parseCertificates(data["ca.crt"] ?? "", "ca.crt").map((one) => one.toString());
    return { active, next, bundle };
  } catch (error) {
    throw new Error(
      `${name} holds no CA that can be used: repair it, or delete it and all pods of tote get new certificates`,
      { cause: error },
    );
  }
}

/** The data of the CAs' Secret. */
export function writeAuthorities({ active, next, bundle }: Authorities): Readonly<Record<string, string>> {
  return {
    "tls.crt": active.cert,
    "tls.key": active.key,
    "ca.crt": bundle.join(""),
    ...(next !== undefined && { "next.crt": next.cert, "next.key": next.key }),
  };
}

function readIdentity(data: Readonly<Record<string, string>>, certName: string, keyName: string): Identity {
  const cert = data[certName] ?? "";
  const key = data[keyName] ?? "";
  checkTlsMaterial({ cert, key, ca: cert }, { cert: certName, key: keyName, ca: certName });
  // as it is written by X509Certificate, so that certificates can be compared as texts
  return { cert: new X509Certificate(cert).toString(), key: createPrivateKey(key).export(PKCS8).toString() };
}

const PKCS8 = { type: "pkcs8", format: "pem" } as const;

async function makeAuthority(now: number): Promise<Identity> {
  const { cert, key } = await createAuthority({
    commonName: "tote CA",
    notBefore: now - BACKDATE_MS,
    notAfter: now + AUTHORITY_DAYS * DAY_MS,
  });
  return { cert: new X509Certificate(cert).toString(), key };
}

function isKnown(cert: string, now: number): boolean {
  const made = Date.parse(new X509Certificate(cert).validFrom) + BACKDATE_MS;
  return now >= made + OVERLAP_MS;
}
