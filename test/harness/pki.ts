import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  createAuthority,
  issueCertificate,
  type CertificateOptions,
  type Identity,
} from "../../lib/certs.ts";
import type { Role } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";

const HOUR_MS = 60 * 60_000;

/** A certificate authority of a test. */
export interface Pki {
  readonly ca: Identity;
  /** A certificate with these DNS names, valid for an hour, and the CA to trust. */
  issue(dnsNames: readonly string[], options?: Partial<CertificateOptions>): Promise<TlsMaterial>;
  /** The same for one role; the same one at every call. */
  role(role: Role): Promise<TlsMaterial>;
  /** Writes tls.crt, tls.key and ca.crt into a folder; answers the folder. */
  write(directory: string, material: TlsMaterial): Promise<string>;
}

/** Makes a certificate authority. */
export async function createPki(commonName = "tote test CA"): Promise<Pki> {
  const validity = () => ({ notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS });
  const ca = await createAuthority({ commonName, ...validity() });
  const roles = new Map<Role, Promise<TlsMaterial>>();
  const issue = async (
    dnsNames: readonly string[],
    options: Partial<CertificateOptions> = {},
  ): Promise<TlsMaterial> => {
    const { cert, key } = await issueCertificate(ca, { ...validity(), dnsNames, ...options });
    return { cert, key, ca: ca.cert };
  };
  return {
    ca,
    issue,
    role(role) {
      const known = roles.get(role) ?? issue([role]);
      roles.set(role, known);
      return known;
    },
    async write(directory, { cert, key, ca: trusted }) {
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, "tls.crt"), cert);
      await writeFile(join(directory, "tls.key"), key, { mode: 0o600 });
      await writeFile(join(directory, "ca.crt"), trusted);
      return directory;
    },
  };
}
