import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

import { fileBlob, jsonBlob, type BlobSource, type Descriptor } from "../../test/harness/blobs.ts";
import { writeOciArchive } from "../../test/harness/oci-archive.ts";
import { hostPlatform } from "../../test/harness/platform.ts";
import { writeTar, type TarEntry } from "../../test/harness/tar.ts";
import { imageConfig, type ImageConfig, type ImageOrigin } from "./image-config.ts";
import type { ImageFile, ImageLayer } from "./image-file.ts";

/** What is written. */
export interface ArchiveOptions {
  /** the archive, replaced when it is there */
  readonly path: string;
  /** full names of the image, e.g. "docker.io/library/tote:1.2.3" */
  readonly names: readonly string[];
  readonly version: string;
  readonly origin?: ImageOrigin;
  readonly layers: readonly ImageLayer[];
  readonly signal: AbortSignal;
}

/** What was written. */
export interface WrittenImage {
  /** of the manifest, "sha256:<hex>" */
  readonly digest: string;
  /** of each layer, lowest first, in bytes */
  readonly layers: readonly {
    readonly name: string;
    readonly compressed: number;
    readonly unpacked: number;
  }[];
}

const MEDIA_TYPES = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

/** The time of everything in the image: the same sources give the same bytes. */
const CREATED = "1970-01-01T00:00:00Z";

interface BuiltLayer {
  readonly name: string;
  readonly blob: BlobSource;
  readonly diffId: string;
  readonly unpacked: number;
}

/** Writes the image as an OCI archive for the platform of this machine. Same files and same Node, same bytes. */
export async function writeImageArchive(options: ArchiveOptions): Promise<WrittenImage> {
  const { path, names, version, origin, layers, signal } = options;
  const image = imageConfig(version, origin);
  const scratch = await mkdtemp(join(dirname(path), ".tote-image-"));
  try {
    const built = await Promise.all(layers.map((layer) => buildLayer(layer, scratch, signal)));
    const config = jsonBlob(configJson(image, built));
    const manifest = jsonBlob({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: descriptor(MEDIA_TYPES.config, config),
      layers: built.map(({ blob }) => descriptor(MEDIA_TYPES.layer, blob)),
      annotations: image.labels,
    });
    const root = descriptor(MEDIA_TYPES.manifest, manifest);
    const blobs = [manifest, config, ...built.map(({ blob }) => blob)];
    await writeOciArchive(path, { root, names, blobs }, signal);
    return {
      digest: manifest.digest,
      layers: built.map(({ name, blob, unpacked }) => ({ name, compressed: blob.size, unpacked })),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function configJson(
  { user, workingDirectory, entrypoint, environment, labels }: ImageConfig,
  layers: readonly BuiltLayer[],
): object {
  return {
    created: CREATED,
    ...hostPlatform(),
    config: {
      User: user,
      WorkingDir: workingDirectory,
      Entrypoint: entrypoint,
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      Labels: labels,
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ name }) => ({ created: CREATED, created_by: `tote image, ${name}` })),
  };
}

function descriptor(mediaType: string, { digest, size }: BlobSource): Descriptor {
  return { mediaType, digest, size };
}

async function buildLayer(layer: ImageLayer, scratch: string, signal: AbortSignal): Promise<BuiltLayer> {
  const path = join(scratch, layer.name);
  const tarHash = createHash("sha256");
  const blobHash = createHash("sha256");
  let unpacked = 0;
  let compressed = 0;
  await pipeline(
    Readable.from(writeTar(await tarEntries(layer.files))),
    async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        tarHash.update(piece);
        unpacked += piece.length;
        yield piece;
      }
    },
    createGzip({ level: 6, chunkSize: 1 << 18 }),
    async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        blobHash.update(piece);
        compressed += piece.length;
        yield piece;
      }
    },
    createWriteStream(path),
    { signal },
  );
  return {
    name: layer.name,
    blob: fileBlob(path, `sha256:${blobHash.digest("hex")}`, compressed),
    diffId: `sha256:${tarHash.digest("hex")}`,
    unpacked,
  };
}

/** Sorted, with the folders that lead to them. */
async function tarEntries(files: readonly ImageFile[]): Promise<readonly TarEntry[]> {
  const entries = new Map<string, TarEntry>();
  for (const file of files) {
    for (let parent = dirname(file.path); parent !== "."; parent = dirname(parent)) {
      if (!entries.has(parent))
        entries.set(parent, { path: parent, kind: "directory", size: 0, mode: 0o755 });
    }
    entries.set(file.path, await tarEntry(file));
  }
  return [...entries.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function tarEntry(file: ImageFile): Promise<TarEntry> {
  const { path } = file;
  switch (file.kind) {
    case "directory":
      return { path, kind: "directory", mode: file.mode, size: 0 };
    case "symlink":
      return { path, kind: "symlink", mode: 0o777, size: 0, linkTarget: file.target };
    case "text": {
      const body = Buffer.from(file.text);
      return { path, kind: "file", mode: file.mode ?? 0o644, size: body.length, body: [body] };
    }
    case "copy": {
      const { size } = await stat(file.from);
      return { path, kind: "file", mode: file.mode ?? 0o644, size, body: lazily(file.from) };
    }
  }
}

/** Opens a file when its turn comes: thousands at once would be too many. */
async function* lazily(path: string): AsyncGenerator<Uint8Array> {
  yield* fileBlob(path, "", 0).read();
}
