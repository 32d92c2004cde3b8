import { createPrivateKey, createPublicKey } from "node:crypto";

import { parseCertificates } from "../lib/pem.ts";
import { TlsMaterialError } from "../lib/tls.ts";
import type { ServerTlsFiles } from "./config.ts";
import type { ReadText } from "./files.ts";
import type { Loaded } from "./follow.ts";

/** What the relay's server shows and trusts, PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/**
 * Reads and checks the files of the relay's own TLS.
 * @throws FileError, TlsMaterialError: which file and what is wrong with it
 */
export async function loadServerTls(
  files: ServerTlsFiles,
  readText: ReadText,
  signal: AbortSignal,
): Promise<Loaded<ServerTls>> {
  const cert = await readText(files.cert, signal);
  const key = await readText(files.key, signal);
  const ca = files.ca === undefined ? undefined : await readText(files.ca, signal);
  try {
    const [leaf] = parseCertificates(cert, files.cert);
    const own = createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" });
    if (leaf?.publicKey.export({ type: "spki", format: "der" }).equals(own) !== true) {
      throw new Error(`the key in ${files.key} does not belong to the certificate in ${files.cert}`);
    }
    if (ca !== undefined && files.ca !== undefined) parseCertificates(ca, files.ca);
  } catch (error) {
    throw new TlsMaterialError("cannot use the TLS files", { cause: error });
  }
  const value: ServerTls = { cert, key, ...(ca !== undefined && { ca }) };
  return { fingerprint: JSON.stringify(value), value };
}
