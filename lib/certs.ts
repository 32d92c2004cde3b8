import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";

import type * as X509 from "@peculiar/x509";

import { ensureReflectMetadata } from "./reflect-metadata.ts";

/** A certificate and its private key, both PEM; the key in PKCS #8. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** Kinds of keys that can be made. */
export type KeyKind = "P-256" | "P-384" | "RSA-2048" | "Ed25519";

/** From when to when a certificate is valid, in milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What a CA is made of. */
export interface AuthorityOptions extends Validity {
  readonly commonName: string;
  /** default P-256 */
  readonly keyKind?: KeyKind;
  /** the CA above; none makes a root */
  readonly issuer?: Identity;
  /** how many CAs may stand between it and a leaf, default 0 */
  readonly pathLength?: number;
}

/** What a certificate of a service or person is made of. */
export interface CertificateOptions extends Validity {
  /** roles and other names; the first is also the common name */
  readonly dnsNames: readonly string[];
  /** IP addresses, default none */
  readonly ips?: readonly string[];
  /** default P-256 */
  readonly keyKind?: KeyKind;
  /** leave out what the certificate may be used for, as old tools do; default false */
  readonly anyUsage?: boolean;
}

/** Bytes of a random serial number; RFC 5280 allows 20. */
const SERIAL_BYTES = 16;

const EXTENDED_KEY_USAGES = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;

type KeyAlgorithm = EcKeyGenParams | RsaHashedKeyGenParams | { readonly name: "Ed25519" };

/** Makes a certificate authority: self-signed, or signed by `issuer`. */
export async function createAuthority(options: AuthorityOptions): Promise<Identity> {
  const x509 = await loadX509();
  const keys = await generateKeys(options.keyKind ?? "P-256");
  return sign(x509, {
    subject: options.commonName,
    keys,
    issuer: options.issuer,
    validity: options,
    extensions: [
      new x509.BasicConstraintsExtension(true, options.pathLength ?? 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
}

/** Makes a certificate for TLS servers and clients, signed by `issuer` (which nobody checks to be a CA: tests forge). */
export async function issueCertificate(issuer: Identity, options: CertificateOptions): Promise<Identity> {
  const x509 = await loadX509();
  const keys = await generateKeys(options.keyKind ?? "P-256");
  const names = [
    ...options.dnsNames.map((value) => ({ type: "dns" as const, value })),
    ...(options.ips ?? []).map((value) => ({ type: "ip" as const, value })),
  ];
  return sign(x509, {
    subject: options.dnsNames[0] ?? "unnamed",
    keys,
    issuer,
    validity: options,
    extensions: [
      ...(options.anyUsage === true ? [] : leafUsages(x509)),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
}

function leafUsages(x509: typeof X509): readonly X509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(Object.values(EXTENDED_KEY_USAGES)),
  ];
}

interface SigningRequest {
  readonly subject: string;
  readonly keys: CryptoKeyPair;
  readonly issuer: Identity | undefined;
  readonly validity: Validity;
  readonly extensions: X509.Extension[];
}

async function sign(x509: typeof X509, request: SigningRequest): Promise<Identity> {
  const subjectName = new x509.Name([{ O: ["tote"] }, { CN: [request.subject] }]);
  const issuer =
    request.issuer === undefined
      ? { name: subjectName, publicKey: request.keys.publicKey, signingKey: request.keys.privateKey }
      : await readIssuer(x509, request.issuer);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: subjectName,
    issuer: issuer.name,
    notBefore: new Date(request.validity.notBefore),
    notAfter: new Date(request.validity.notAfter),
    publicKey: request.keys.publicKey,
    signingKey: issuer.signingKey,
    signingAlgorithm: signatureAlgorithm(issuer.signingKey),
    extensions: [
      ...request.extensions,
      await x509.SubjectKeyIdentifierExtension.create(request.keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", request.keys.privateKey);
  return {
    cert: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}

async function readIssuer(
  x509: typeof X509,
  issuer: Identity,
): Promise<{ name: X509.Name; publicKey: X509.PublicKey; signingKey: CryptoKey }> {
  const certificate = new x509.X509Certificate(new X509Certificate(issuer.cert).raw);
  const key = createPrivateKey(issuer.key);
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  const signingKey = await crypto.subtle.importKey("pkcs8", pkcs8, algorithmOf(key), false, ["sign"]);
  return { name: certificate.subjectName, publicKey: certificate.publicKey, signingKey };
}

async function loadX509(): Promise<typeof X509> {
  ensureReflectMetadata();
  return import("@peculiar/x509");
}

async function generateKeys(kind: KeyKind): Promise<CryptoKeyPair> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm(kind), true, ["sign", "verify"]);
  if (!("privateKey" in keys)) throw new Error(`no key pair can be made for ${kind}`);
  return keys;
}

function keyAlgorithm(kind: KeyKind): KeyAlgorithm {
  if (kind === "Ed25519") return { name: "Ed25519" };
  if (kind !== "RSA-2048") return { name: "ECDSA", namedCurve: kind };
  return {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
}

function algorithmOf(key: KeyObject): KeyAlgorithm {
  switch (key.asymmetricKeyType) {
    case "ec":
      return keyAlgorithm(key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "P-384" : "P-256");
    case "ed25519":
      return keyAlgorithm("Ed25519");
    case "rsa":
      return keyAlgorithm("RSA-2048");
    default:
      throw new Error(
        `a CA key of type ${key.asymmetricKeyType ?? "unknown"} is not supported, use EC P-256`,
      );
  }
}

function signatureAlgorithm(key: CryptoKey): Algorithm | EcdsaParams {
  const { algorithm } = key;
  if (algorithm.name === "Ed25519") return { name: "Ed25519" };
  const wide = "namedCurve" in algorithm && algorithm.namedCurve === "P-384";
  return { name: algorithm.name, hash: wide ? "SHA-384" : "SHA-256" };
}

function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  return Buffer.from(bytes).toString("hex");
}
