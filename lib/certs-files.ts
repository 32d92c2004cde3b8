import { X509Certificate } from "node:crypto";
import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { createAuthority, issueCertificate } from "./certs.ts";
import type { Identity } from "./certs.ts";
import { errorCode } from "./errors.ts";
import type { Role } from "./roles.ts";
import { checkTlsMaterial } from "./tls.ts";

const DAY_MS = 86_400_000;

/** Certificates are valid from a little before now, for machines whose clock is behind. */
const BACKDATE_MS = 10 * 60_000;

/** How long a new CA lives at least, in days. */
const CA_DAYS = 3650;

/** What to write where. */
export interface CertificateFilesOptions {
  readonly dir: string;
  readonly roles: readonly Role[];
  /** lifetime of the certificates of roles, in days; they never outlive the CA */
  readonly days: number;
  /** IP addresses for every certificate beside its role */
  readonly ips: readonly string[];
  /** replace certificates of roles that are there already */
  readonly force: boolean;
  /** milliseconds since 1970 */
  readonly now: number;
}

/** What was written. */
export interface CertificateFiles {
  /** a new CA was made; false when the one in the folder was used */
  readonly newAuthority: boolean;
  readonly files: readonly string[];
  /** end of the certificates of roles */
  readonly validTo: Date;
}

/**
 * Makes certificates for roles: `DIR/ca.crt`, `DIR/ca.key`, and for each role `DIR/<role>/{tls.crt,tls.key,ca.crt}`.
 * A CA that is in the folder is used and never replaced. Keys are readable by their owner only.
 * @throws Error when certificates of a role are there and `force` is not set (nothing is written then), or when the CA
 * in the folder cannot be used
 */
export async function writeCertificateFiles(options: CertificateFilesOptions): Promise<CertificateFiles> {
  const { dir, roles, force, now } = options;
  const present = await filterPresent(
    roles.flatMap((role) => [join(dir, role, "tls.crt"), join(dir, role, "tls.key")]),
  );
  if (present.length > 0 && !force) {
    throw new Error(`${present.join(", ")} exists already, use --force to replace it`);
  }
  const { authority, files: caFiles } = await openAuthority(options);
  const caEnd = Date.parse(new X509Certificate(authority.cert).validTo);
  const validity = { notBefore: now - BACKDATE_MS, notAfter: Math.min(now + options.days * DAY_MS, caEnd) };

  const files = [...caFiles];
  for (const role of roles) {
    const identity = await issueCertificate(authority, { dnsNames: [role], ips: options.ips, ...validity });
    files.push(await writeSecret(join(dir, role, "tls.key"), identity.key));
    files.push(await writePublic(join(dir, role, "tls.crt"), identity.cert));
    files.push(await writePublic(join(dir, role, "ca.crt"), authority.cert));
  }
  return { newAuthority: caFiles.length > 0, files, validTo: new Date(validity.notAfter) };
}

async function openAuthority({
  dir,
  days,
  now,
}: CertificateFilesOptions): Promise<{ authority: Identity; files: readonly string[] }> {
  const certFile = join(dir, "ca.crt");
  const keyFile = join(dir, "ca.key");
  const [present, ...more] = await filterPresent([certFile, keyFile]);
  if (present !== undefined && more.length === 0) {
    const absent = present === certFile ? keyFile : certFile;
    throw new Error(
      `${present} exists but ${absent} does not, restore it or remove the other to make a new CA`,
    );
  }
  if (present !== undefined) {
    const authority = { cert: await readFile(certFile, "utf8"), key: await readFile(keyFile, "utf8") };
    checkTlsMaterial({ ...authority, ca: authority.cert }, { cert: certFile, key: keyFile, ca: certFile });
    const { validTo } = new X509Certificate(authority.cert);
    if (Date.parse(validTo) <= now)
      throw new Error(`the CA in ${certFile} expired on ${validTo}, remove it and ${keyFile}`);
    return { authority, files: [] };
  }
  const authority = await createAuthority({
    commonName: "tote CA",
    notBefore: now - BACKDATE_MS,
    notAfter: now + Math.max(days, CA_DAYS) * DAY_MS,
  });
  return {
    authority,
    files: [await writeSecret(keyFile, authority.key), await writePublic(certFile, authority.cert)],
  };
}

async function filterPresent(files: readonly string[]): Promise<readonly string[]> {
  const present: string[] = [];
  for (const file of files) if (await exists(file)) present.push(file);
  return present;
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function writeSecret(file: string, text: string): Promise<string> {
  return write(file, text, 0o600);
}

function writePublic(file: string, text: string): Promise<string> {
  return write(file, text, 0o644);
}

/** Writes beside the file and renames, so that a reader never sees half of it and an old mode does not stay. */
async function write(file: string, text: string, mode: number): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${crypto.randomUUID()}.tmp`;
  await writeFile(draft, text, { mode, flag: "wx" });
  await rename(draft, file);
  return file;
}
