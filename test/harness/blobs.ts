import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";

/** An OCI content descriptor. */
export interface Descriptor {
  readonly mediaType: string;
  /** "sha256:<64 hex>" */
  readonly digest: string;
  /** bytes */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An OCI platform. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The bytes of one blob, in memory or in a file. */
export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  /** Reads from an offset (default 0) to the end, in pieces. */
  read(offset?: number): AsyncIterable<Uint8Array>;
  /** All bytes at once; for small blobs. */
  bytes(): Promise<Uint8Array>;
}

const pieceSize = 1 << 20;

/** The digest of bytes: "sha256:<hex>". */
export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A blob in memory. */
export function memoryBlob(bytes: Uint8Array): BlobSource {
  return {
    digest: sha256(bytes),
    size: bytes.length,
    bytes: () => Promise.resolve(bytes),
    async *read(offset = 0) {
      for (let at = offset; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
    },
  };
}

/** A blob in memory that holds a value as JSON. */
export function jsonBlob(value: unknown): BlobSource {
  return memoryBlob(Buffer.from(JSON.stringify(value)));
}

/** A blob in a file whose digest and size are known. */
export function fileBlob(path: string, digest: string, size: number): BlobSource {
  return {
    digest,
    size,
    bytes: () => readFile(path),
    read: (offset = 0) => createReadStream(path, { start: offset, highWaterMark: pieceSize }),
  };
}

/** The parts of an OCI index or manifest that the harness looks at. */
export interface ManifestJson {
  readonly mediaType?: string;
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

/** Reads a blob as index or manifest. */
export async function readManifest(blob: BlobSource): Promise<ManifestJson> {
  const json: ManifestJson = JSON.parse(Buffer.from(await blob.bytes()).toString("utf8"));
  return json;
}
