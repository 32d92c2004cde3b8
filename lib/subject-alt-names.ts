/**
 * Reads the DNS names of a certificate from its DER (RFC 5280, section 4.2.1.6).
 *
 * Why not `X509Certificate.subjectAltName`: it joins all names to one string, Deno without quoting, so that the single
 * name "a, DNS:tote-controller" could not be told from two names. Roles hang on these names.
 */

const TAG = {
  boolean: 0x01,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  /** [2] IA5String of GeneralName: dNSName */
  dnsName: 0x82,
  /** [3] EXPLICIT of TBSCertificate: extensions */
  extensions: 0xa3,
} as const;

/** 2.5.29.17, subjectAltName. */
const SUBJECT_ALT_NAME = new Uint8Array([0x55, 0x1d, 0x11]);

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/**
 * The DNS names among the subject alternative names of a certificate, in order, as they are written.
 * @param der one X.509 certificate
 * @throws Error when the DER is malformed, has two such extensions, or a name is not plain ASCII
 */
export function dnsNamesOfCertificate(der: Uint8Array): readonly string[] {
  const [certificate, ...trailing] = readElements(der);
  if (certificate?.tag !== TAG.sequence || trailing.length > 0) throw new Error("not one DER certificate");
  const [tbsCertificate] = readElements(certificate.content);
  if (tbsCertificate?.tag !== TAG.sequence) throw new Error("certificate without a body");

  const found = readElements(tbsCertificate.content)
    .filter((field) => field.tag === TAG.extensions)
    .flatMap((field) => readElements(field.content))
    .flatMap((list) => readElements(list.content))
    .map(readExtension)
    .filter((extension) => equalBytes(extension.id, SUBJECT_ALT_NAME));
  if (found.length > 1) throw new Error(`certificate has ${found.length} lists of subject alternative names`);
  return found.flatMap((extension) => readDnsNames(extension.value));
}

function readExtension(element: Element): { readonly id: Uint8Array; readonly value: Uint8Array } {
  const fields = readElements(element.content).filter((field) => field.tag !== TAG.boolean);
  const [id, value] = fields;
  if (id?.tag !== TAG.objectIdentifier || value?.tag !== TAG.octetString || fields.length !== 2) {
    throw new Error("malformed certificate extension");
  }
  return { id: id.content, value: value.content };
}

function readDnsNames(value: Uint8Array): readonly string[] {
  const [names, ...trailing] = readElements(value);
  if (names?.tag !== TAG.sequence || trailing.length > 0)
    throw new Error("malformed subject alternative names");
  return readElements(names.content)
    .filter((name) => name.tag === TAG.dnsName)
    .map((name) => readAscii(name.content));
}

function readAscii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte < 0x20 || byte > 0x7e)) throw new Error("DNS name is not printable ASCII");
  return String.fromCharCode(...bytes);
}

/** Splits DER into its elements. Only definite lengths and one-byte tags, which is all that X.509 uses. */
function readElements(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const tag = byteAt(bytes, offset);
    if ((tag & 0x1f) === 0x1f) throw new Error("unsupported DER tag");
    const { length, start } = readLength(bytes, offset + 1);
    const end = start + length;
    if (end > bytes.length) throw new Error("DER element is cut short");
    elements.push({ tag, content: bytes.subarray(start, end) });
    offset = end;
  }
  return elements;
}

function readLength(bytes: Uint8Array, offset: number): { readonly length: number; readonly start: number } {
  const first = byteAt(bytes, offset);
  if (first < 0x80) return { length: first, start: offset + 1 };
  const size = first & 0x7f;
  if (size === 0 || size > 3) throw new Error("unsupported DER length");
  let length = 0;
  for (let index = 1; index <= size; index += 1) length = length * 256 + byteAt(bytes, offset + index);
  return { length, start: offset + 1 + size };
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset];
  if (byte === undefined) throw new Error("DER is cut short");
  return byte;
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
