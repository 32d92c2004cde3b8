import { createHash, randomUUID } from "node:crypto";
import type { Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { fileBlob, memoryBlob } from "./blobs.ts";
import type { BlobSource } from "./blobs.ts";
import { randomData, zeroData } from "./random-data.ts";
import { writeTar } from "./tar.ts";
import type { TarEntry } from "./tar.ts";

/** One entry of a layer: text or bytes of a file, or something more special. */
export type FileSpec =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly mode?: number }
  /** `size` bytes: zeros, or random ones that depend on the seed only */
  | { readonly size: number; readonly fill: "zeros"; readonly mode?: number }
  | { readonly size: number; readonly fill: "random"; readonly seed: string; readonly mode?: number }
  | { readonly symlink: string }
  | { readonly directory: true; readonly mode?: number };

/** One layer: paths (without leading slash) to entries. */
export interface LayerSpec {
  readonly files: Readonly<Record<string, FileSpec>>;
  /** default "gzip" */
  readonly compression?: "gzip" | "zstd" | "none";
}

/** A layer with the digest of its tar. */
export interface BuiltLayer {
  readonly blob: BlobSource;
  /** "sha256:<hex>" of the uncompressed tar */
  readonly diffId: string;
}

/** layers whose files are larger than this go to a file */
const memoryLimit = 16 << 20;

/**
 * Builds a layer; a large one is made streaming in a file of `dir` and never held in memory.
 * Throws when the layer is large and there is no `dir`.
 */
export async function buildLayer(spec: LayerSpec, dir: string | undefined): Promise<BuiltLayer> {
  const entries = tarEntries(spec.files);
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (size > memoryLimit && dir === undefined) {
    throw new Error(
      `cannot build a layer of ${size} bytes in memory (limit ${memoryLimit}): give the image a "dir"`,
    );
  }
  const path = size > memoryLimit && dir !== undefined ? join(dir, `layer-${randomUUID()}`) : undefined;
  const pieces: Uint8Array[] = [];
  const tarHash = createHash("sha256");
  const blobHash = createHash("sha256");
  let blobSize = 0;
  const sink = path === undefined ? collect(pieces) : createWriteStream(path);
  await pipeline(
    Readable.from(writeTar(entries)),
    (source: AsyncIterable<Uint8Array>) => hashing(source, tarHash),
    compressor(spec.compression ?? "gzip", isMostlyRandom(spec.files, size)),
    async function* count(source: AsyncIterable<Uint8Array>) {
      for await (const piece of hashing(source, blobHash)) {
        blobSize += piece.length;
        yield piece;
      }
    },
    sink,
  );
  const diffId = `sha256:${tarHash.digest("hex")}`;
  if (path === undefined) return { blob: memoryBlob(Buffer.concat(pieces)), diffId };
  const hex = blobHash.digest("hex");
  const final = join(dirname(path), hex);
  await rename(path, final);
  return { blob: fileBlob(final, `sha256:${hex}`, blobSize), diffId };
}

async function* hashing(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

/** Random bytes end up in stored blocks at any level; only, level 0 does not spend a second per 25 MB to find that out. */
function isMostlyRandom(files: LayerSpec["files"], total: number): boolean {
  let random = 0;
  for (const spec of Object.values(files)) {
    if (typeof spec === "object" && "fill" in spec && spec.fill === "random") random += spec.size;
  }
  return random > 0.9 * total;
}

function compressor(compression: "gzip" | "zstd" | "none", store: boolean): Duplex {
  if (compression === "none") return new PassThrough();
  if (compression === "gzip") return createGzip({ level: store ? 0 : 1, chunkSize: 1 << 18 });
  return createZstdCompress({ chunkSize: 1 << 18, params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function collect(pieces: Uint8Array[]): Writable {
  return new Writable({
    write(piece: Uint8Array, _encoding, done) {
      pieces.push(piece);
      done();
    },
  });
}

/** Sorted entries with the directories that lead to them, as image builders write them. */
function tarEntries(files: LayerSpec["files"]): readonly TarEntry[] {
  const entries = new Map<string, TarEntry>();
  for (const [path, spec] of Object.entries(files)) {
    if (path.startsWith("/") || path === "")
      throw new Error(`cannot put "${path}" into a layer: write paths without leading "/"`);
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
      if (!entries.has(parent)) entries.set(parent, { path: parent, kind: "directory", size: 0 });
    }
    entries.set(path, tarEntry(path, spec));
  }
  return [...entries.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function tarEntry(path: string, spec: FileSpec): TarEntry {
  if (typeof spec === "string" || spec instanceof Uint8Array) return tarEntry(path, { content: spec });
  if ("symlink" in spec) return { path, kind: "symlink", mode: 0o777, size: 0, linkTarget: spec.symlink };
  const mode = spec.mode === undefined ? {} : { mode: spec.mode };
  if ("directory" in spec) return { path, kind: "directory", size: 0, ...mode };
  if ("content" in spec) {
    const body = typeof spec.content === "string" ? Buffer.from(spec.content) : spec.content;
    return { path, kind: "file", size: body.length, body: [body], ...mode };
  }
  const body = spec.fill === "zeros" ? zeroData(spec.size) : randomData(spec.seed, spec.size);
  return { path, kind: "file", size: spec.size, body, ...mode };
}

const applets = [
  "sh",
  "cat",
  "echo",
  "env",
  "head",
  "ls",
  "mkdir",
  "sha256sum",
  "sleep",
  "stat",
  "true",
  "wc",
];

/** A layer with the system's static /bin/busybox and links to it for sh, echo, cat, ls, sleep, sha256sum and others. */
export async function busyboxLayer(compression?: LayerSpec["compression"]): Promise<LayerSpec> {
  const files: Record<string, FileSpec> = {
    "bin/busybox": { content: await readFile("/bin/busybox"), mode: 0o755 },
  };
  for (const applet of applets) files[`bin/${applet}`] = { symlink: "busybox" };
  return { files, ...(compression !== undefined && { compression }) };
}
