/** Walking from an image's digest to all the blobs that one platform needs. */

import { createHash } from "node:crypto";

import {
  InvalidImageError,
  parseConfig,
  parseManifest,
  type Descriptor,
  type IndexEntry,
  type Manifest,
} from "./manifest.ts";
import { formatPlatform, platformRank, type Platform } from "./platform.ts";

/** An image layer: its blob, and the snapshot it unpacks to. */
export interface Layer extends Descriptor {
  /** sha256 of the uncompressed tar */
  readonly diffId: string;
  /** name of the snapshot that holds this layer on top of those below it */
  readonly chainId: string;
}

/** An index on the way to the manifest, and the child taken. */
export interface IndexNode extends Descriptor {
  readonly entries: readonly IndexEntry[];
  /** position of the child taken in `entries` */
  readonly taken: number;
}

/** All that one platform needs of an image. */
export interface ImageTree {
  /** what image records point at: the outermost index, or the manifest */
  readonly target: Descriptor;
  /** outermost first; empty when the target is a manifest */
  readonly indexes: readonly IndexNode[];
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** bottom first */
  readonly layers: readonly Layer[];
}

/** A metadata blob that could not be read, or has other bytes. */
export class MissingBlobError extends Error {
  override readonly name = "MissingBlobError";
  readonly digest: string;
  constructor(digest: string, what: string) {
    super(`${what} ${digest} is missing or damaged`);
    this.digest = digest;
  }
}

/** The index has nothing for the platform. */
export class NoPlatformError extends Error {
  override readonly name = "NoPlatformError";
}

/** Reads a whole metadata blob, verified against its digest; undefined when it is nowhere to be had. */
export type ReadBlob = (digest: string, size: number | undefined) => Promise<Uint8Array | undefined>;

/** Indexes inside indexes beyond this are refused. */
const MAX_INDEX_DEPTH = 4;

/**
 * Finds what `platform` needs of the image `digest`, reading metadata through `read`. Children for other platforms and
 * attestations are not looked at, so they may be absent.
 * @throws MissingBlobError, NoPlatformError, InvalidImageError
 */
export async function resolveTree(digest: string, platform: Platform, read: ReadBlob): Promise<ImageTree> {
  const indexes: IndexNode[] = [];
  let node = await readManifest(digest, undefined, read);
  const target = node.descriptor;
  while (node.parsed.kind === "index") {
    if (indexes.length >= MAX_INDEX_DEPTH) {
      throw new InvalidImageError(`index ${digest} is nested more than ${MAX_INDEX_DEPTH} deep`);
    }
    const taken = chooseEntry(node.parsed.entries, platform);
    const entry = taken === undefined ? undefined : node.parsed.entries[taken];
    if (taken === undefined || entry === undefined) {
      throw new NoPlatformError(
        `index ${node.descriptor.digest} has no manifest for ${formatPlatform(platform)}`,
      );
    }
    indexes.push({ ...node.descriptor, entries: node.parsed.entries, taken });
    node = await readManifest(entry.digest, entry.size, read);
  }
  const { config, layers } = node.parsed;
  const configBytes = await read(config.digest, config.size);
  if (configBytes === undefined) throw new MissingBlobError(config.digest, "config");
  const { diffIds, platform: actual } = parseConfig(configBytes, config.digest);
  if (diffIds.length !== layers.length) {
    throw new InvalidImageError(
      `manifest ${node.descriptor.digest} has ${layers.length} layers, but its config names ${diffIds.length} diff ids`,
    );
  }
  // an index entry without a platform is taken on trust until its config is read
  if (actual.os !== "" && platformRank(platform, actual) === undefined) {
    throw new NoPlatformError(
      `manifest ${node.descriptor.digest} is for ${actual.os}/${actual.architecture}, this node is ${formatPlatform(platform)}`,
    );
  }
  const chainIds = chainIdsOf(diffIds);
  return {
    target,
    indexes,
    manifest: node.descriptor,
    config,
    layers: layers.map((layer, at) => ({ ...layer, diffId: diffIds[at] ?? "", chainId: chainIds[at] ?? "" })),
  };
}

/** Names of the snapshots of a stack of layers (OCI image-spec, "Layer ChainID"). */
export function chainIdsOf(diffIds: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    const id =
      below === undefined
        ? diffId
        : `sha256:${createHash("sha256").update(`${below} ${diffId}`).digest("hex")}`;
    chain.push(id);
  }
  return chain;
}

/** Every distinct blob of the tree: indexes, manifest, config, then layers bottom first. */
export function blobsOf(tree: ImageTree): readonly Descriptor[] {
  const distinct = new Map<string, Descriptor>();
  for (const blob of [...tree.indexes, tree.manifest, tree.config, ...tree.layers]) {
    const { mediaType, digest, size } = blob;
    if (!distinct.has(digest)) distinct.set(digest, { mediaType, digest, size });
  }
  return [...distinct.values()];
}

/** Compressed bytes of all distinct blobs. */
export function totalBytes(tree: ImageTree): number {
  return blobsOf(tree).reduce((sum, blob) => sum + blob.size, 0);
}

/** The entry that containerd would take: the best match first, an entry without a platform as a last resort. */
function chooseEntry(entries: readonly IndexEntry[], platform: Platform): number | undefined {
  let best: { at: number; rank: number } | undefined;
  for (const [at, entry] of entries.entries()) {
    const rank =
      entry.platform === undefined ? Number.MAX_SAFE_INTEGER : platformRank(platform, entry.platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { at, rank };
  }
  return best?.at;
}

async function readManifest(
  digest: string,
  size: number | undefined,
  read: ReadBlob,
): Promise<{ descriptor: Descriptor; parsed: Manifest }> {
  const bytes = await read(digest, size);
  if (bytes === undefined) throw new MissingBlobError(digest, "manifest");
  const parsed = parseManifest(bytes, digest);
  return { descriptor: { mediaType: parsed.mediaType, digest, size: bytes.length }, parsed };
}
