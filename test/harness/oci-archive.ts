import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { jsonBlob, memoryBlob } from "./blobs.ts";
import type { BlobSource, Descriptor } from "./blobs.ts";
import { writeTar } from "./tar.ts";
import type { TarEntry } from "./tar.ts";

/** What goes into an archive. */
export interface ArchiveContent {
  readonly root: Descriptor;
  /** full names, e.g. "registry.test:5000/app:v1" */
  readonly names: readonly string[];
  readonly blobs: Iterable<BlobSource>;
}

/** The bytes of an OCI archive (tar of an OCI image layout) of one image or several, in pieces. */
export function ociArchive(...contents: readonly ArchiveContent[]): AsyncIterable<Uint8Array> {
  const manifests = contents.flatMap(({ root: { mediaType, digest, size }, names }) =>
    names.map((name) => ({
      mediaType,
      digest,
      size,
      annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": refName(name) },
    })),
  );
  const index = jsonBlob({ schemaVersion: 2, manifests });
  const layout = memoryBlob(Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  const entries: TarEntry[] = [file("oci-layout", layout), file("index.json", index)];
  for (const { blobs } of contents) {
    for (const blob of blobs) entries.push(file(`blobs/${blob.digest.replace(":", "/")}`, blob));
  }
  return writeTar(entries);
}

/** Writes an OCI archive to a file, streaming. */
export async function writeOciArchive(
  path: string,
  content: ArchiveContent,
  signal?: AbortSignal,
): Promise<void> {
  await pipeline(ociArchive(content), createWriteStream(path), { ...(signal && { signal }) });
}

function file(path: string, blob: BlobSource): TarEntry {
  return { path, kind: "file", size: blob.size, body: blob.read() };
}

/** The tag of a name, or the name itself when it has none. */
function refName(name: string): string {
  return /:([^:/@]+)$/.exec(name)?.[1] ?? name;
}
