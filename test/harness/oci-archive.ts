import type { Descriptor, BlobSource } from "./blobs.ts";

/** What goes into an archive. */
export interface ArchiveContent {
  readonly root: Descriptor;
  /** full names, e.g. "registry.test:5000/app:v1" */
  readonly names: readonly string[];
  readonly blobs: Iterable<BlobSource>;
}

/** The bytes of an OCI archive (tar), in pieces. */
export declare function ociArchive(content: ArchiveContent): AsyncIterable<Uint8Array>;

/** Writes an OCI archive to a file, streaming. */
export declare function writeOciArchive(path: string, content: ArchiveContent): Promise<void>;
