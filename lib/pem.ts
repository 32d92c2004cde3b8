import { X509Certificate } from "node:crypto";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Every certificate of a PEM text, in order.
 * @param pem PEM with any number of certificates; other text between them is ignored
 * @param name how errors call the text, e.g. its file
 * @throws Error when there is none, or one cannot be parsed
 */
export function parseCertificates(pem: string, name: string): readonly X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new Error(`${name} holds no PEM certificate`);
  return blocks.map((block, index) =>
    parseBlock(block, `certificate ${index + 1} of ${blocks.length} in ${name}`),
  );
}

/**
 * The first certificate of a PEM text: in a `tls.crt` that holds a chain, the one that belongs to the key.
 * @throws Error as {@link parseCertificates}
 */
export function parseLeafCertificate(pem: string, name: string): X509Certificate {
  const [block] = pem.match(CERTIFICATE) ?? [];
  if (block === undefined) throw new Error(`${name} holds no PEM certificate`);
  return parseBlock(block, `the certificate in ${name}`);
}

function parseBlock(block: string, what: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw new Error(`${what} cannot be parsed`, { cause: error });
  }
}
