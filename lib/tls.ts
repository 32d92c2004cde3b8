import { createPrivateKey, createPublicKey } from "node:crypto";
import type { KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ConnectionOptions, PeerCertificate, TlsOptions, TLSSocket } from "node:tls";

import { errorCode } from "./errors.ts";
import { parseCertificates } from "./pem.ts";
import { RoleError, roleOfCertificate } from "./roles.ts";
import type { Role } from "./roles.ts";

/** A certificate (or chain, own first), its private key, and the CAs that sign for this release; all PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Where the three live: `--tls-cert`, `--tls-key`, `--tls-ca`. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** The certificate, key or CA files cannot be used. The message names the file and what to do. */
export class TlsMaterialError extends Error {
  override readonly name = "TlsMaterialError";
}

/**
 * Reads and checks the three files.
 * @throws TlsMaterialError when one is missing or unreadable, does not parse, or key and certificate do not belong
 * together
 */
export async function loadTlsMaterial(files: TlsFiles, signal: AbortSignal): Promise<TlsMaterial> {
  const material = await readTlsFiles(files, signal);
  checkTlsMaterial(material, files);
  return material;
}

/**
 * Reads the three files without looking inside.
 * @throws TlsMaterialError when one cannot be read
 */
export async function readTlsFiles(files: TlsFiles, signal: AbortSignal): Promise<TlsMaterial> {
  const [cert, key, ca] = await Promise.all([
    readText("certificate (--tls-cert)", files.cert, signal),
    readText("private key (--tls-key)", files.key, signal),
    readText("CA (--tls-ca)", files.ca, signal),
  ]);
  return { cert, key, ca };
}

/**
 * Checks that the material can be used: everything parses, the key belongs to the first certificate, every CA is one.
 * @param names how errors call the parts
 * @throws TlsMaterialError
 */
export function checkTlsMaterial(material: TlsMaterial, names: TlsFiles): void {
  const [leaf] = parse(material.cert, names.cert);
  const key = parseKey(material.key, names.key);
  if (leaf === undefined || !belongsTo(key, leaf)) {
    throw new TlsMaterialError(`the key in ${names.key} does not belong to the certificate in ${names.cert}`);
  }
  const leafOnly = parse(material.ca, names.ca).find((certificate) => !certificate.ca);
  if (leafOnly !== undefined) {
    const subject = leafOnly.subject.replaceAll("\n", ", ");
    throw new TlsMaterialError(`${names.ca} holds a certificate that is not a CA: ${subject}`);
  }
}

/** Options for a TLS server that lets in only peers whose certificate one of our CAs signed. TLS 1.3 or newer. */
export function serverTlsOptions(material: TlsMaterial): TlsOptions {
  return {
    cert: material.cert,
    key: material.key,
    ca: material.ca,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
  };
}

/**
 * Options to dial a peer by any address and accept it only when it carries the expected role. The name that was dialled
 * does not matter: pods change their addresses, roles stay.
 */
export function clientTlsOptions(material: TlsMaterial, expected: Role): ConnectionOptions {
  return {
    cert: material.cert,
    key: material.key,
    ca: material.ca,
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => checkPeerRole(certificate, expected),
  };
}

/**
 * Whether a peer's certificate carries exactly the expected role; in the form of Node's `checkServerIdentity`.
 * @returns undefined when it does, else the error
 */
export function checkPeerRole(certificate: Pick<PeerCertificate, "raw">, expected: Role): Error | undefined {
  try {
    const role = roleOfCertificate(certificate.raw);
    if (role === expected) return undefined;
    return new RoleError("no_role", `peer is ${role}, expected ${expected}`);
  } catch (error) {
    if (error instanceof RoleError) return error;
    throw error;
  }
}

/**
 * The role of the client behind a connection that TLS has already verified.
 * @throws RoleError when the client showed no certificate, or one without exactly one role
 */
export function roleOfPeer(socket: Pick<TLSSocket, "authorized" | "getPeerCertificate">): Role {
  const certificate: Partial<PeerCertificate> = socket.authorized ? socket.getPeerCertificate() : {};
  if (certificate.raw === undefined)
    throw new RoleError("no_role", "client showed no certificate that our CA signed");
  return roleOfCertificate(certificate.raw);
}

async function readText(what: string, file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    const code = errorCode(error);
    const reason =
      code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "permission denied" : code;
    throw new TlsMaterialError(`cannot read ${what} ${file}: ${reason}`, { cause: error });
  }
}

function parse(pem: string, name: string): readonly X509Certificate[] {
  try {
    return parseCertificates(pem, name);
  } catch (error) {
    throw new TlsMaterialError("cannot use the TLS files", { cause: error });
  }
}

function parseKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new TlsMaterialError(`${name} holds no private key in PEM without a passphrase`, { cause: error });
  }
}

function belongsTo(key: KeyObject, certificate: X509Certificate): boolean {
  const own = createPublicKey(key).export({ type: "spki", format: "der" });
  return own.equals(certificate.publicKey.export({ type: "spki", format: "der" }));
}
