import { sha256Digest } from "../../lib/digest.ts";
import { parseReferenceOrDigest } from "../../lib/reference.ts";
import { isNotFound } from "../containerd/errors.ts";
import type { Containerd, ImageRecord } from "../containerd/types.ts";
import { METADATA_MAX_BYTES } from "../limits.ts";
import type { NodeFacts } from "../node-facts.ts";
import { PINNED_LABEL } from "./labels.ts";
import { InvalidImageError, type Descriptor } from "./manifest.ts";
import { missingToRun, missingToServe, presenceOf, type Presence } from "./presence.ts";
import {
  MissingBlobError,
  NoPlatformError,
  resolveTree,
  totalBytes,
  type ImageTree,
  type ReadBlob,
} from "./tree.ts";

/** Why an image cannot be served from here. */
export type IncompleteReason = "METADATA_MISSING" | "LAYERS_DISCARDED" | "LAYERS_MISSING" | "NO_PLATFORM";

/** What this node knows of one image. */
export interface LocalImage {
  readonly target: Descriptor;
  /** every name that points at it, sorted */
  readonly names: readonly string[];
  /** absent when its metadata is not all here */
  readonly tree: ImageTree | undefined;
  readonly presence: Presence;
  /** every layer is here as blob or snapshot */
  readonly isRunnable: boolean;
  /** absent when every blob can be served from here */
  readonly incomplete: { readonly reason: IncompleteReason; readonly message: string } | undefined;
}

/** One digest with its names. */
export interface ListedImage {
  readonly target: Descriptor;
  readonly names: readonly string[];
  readonly isComplete: boolean;
  readonly isPinned: boolean;
  /** compressed bytes for this node's platform; 0 when the metadata is missing */
  readonly totalBytes: number;
}

const NOTHING: Presence = { blobs: new Set(), unpackedDepth: 0 };

/** Looks images up on this node. */
export class LocalImages {
  readonly #containerd: Containerd;

  constructor(options: { readonly containerd: Containerd }) {
    this.#containerd = options.containerd;
  }

  /**
   * Finds an image by name, by digest of its index or manifest (also a manifest inside an index), or by config digest.
   * Answers undefined when it is not here.
   * @throws InvalidValueError for a malformed reference, InvalidImageError for content that is no image
   */
  async resolve(reference: string, facts: NodeFacts, signal: AbortSignal): Promise<LocalImage | undefined> {
    const target = await this.#findTarget(reference, signal);
    return target === undefined ? undefined : await this.#describe(target, facts, signal);
  }

  /** All images in the order of their digests, after `afterDigest`, at most `limit`; `more` when some are left. */
  async list(
    page: { readonly afterDigest: string; readonly limit: number },
    facts: NodeFacts,
    signal: AbortSignal,
  ): Promise<{ readonly images: readonly ListedImage[]; readonly more: boolean }> {
    const byDigest = Map.groupBy(
      await this.#containerd.images.list([], { signal }),
      (record) => record.target.digest,
    );
    const digests = [...byDigest.keys()].filter((digest) => digest > page.afterDigest).sort();
    const images: ListedImage[] = [];
    for (const digest of digests.slice(0, page.limit)) {
      const records = byDigest.get(digest) ?? [];
      const image = await this.#listed(records, facts, signal);
      if (image !== undefined) images.push(image);
    }
    return { images, more: digests.length > page.limit };
  }

  async #listed(
    records: readonly ImageRecord[],
    facts: NodeFacts,
    signal: AbortSignal,
  ): Promise<ListedImage | undefined> {
    const target = records[0]?.target;
    if (target === undefined) return undefined;
    const common = {
      target,
      names: records.map((record) => record.name).sort(),
      isPinned: records.some((record) => record.labels[PINNED_LABEL] === "pinned"),
    };
    try {
      const { tree, isRunnable } = await this.#describe(target, facts, signal);
      return { ...common, isComplete: isRunnable, totalBytes: tree === undefined ? 0 : totalBytes(tree) };
    } catch (error) {
      if (!(error instanceof InvalidImageError)) throw error;
      // an artifact that is no container image, which containerd can hold as well
      return { ...common, isComplete: false, totalBytes: 0 };
    }
  }

  async #findTarget(reference: string, signal: AbortSignal): Promise<Descriptor | undefined> {
    const { images, content } = this.#containerd;
    const parsed = parseReferenceOrDigest(reference);
    if (parsed.kind === "reference")
      return (await images.get(parsed.reference.canonical, { signal }))?.target;
    const { digest } = parsed;
    const [named] = await images.list([`target.digest==${digest}`], { signal });
    if (named !== undefined) return named.target;
    const byConfig = await images.get(digest, { signal });
    if (byConfig !== undefined) return byConfig.target;
    const info = await content.info(digest, { signal });
    return info === undefined ? undefined : { mediaType: "", digest, size: info.size };
  }

  async #describe(found: Descriptor, facts: NodeFacts, signal: AbortSignal): Promise<LocalImage> {
    const records = await this.#containerd.images.list([`target.digest==${found.digest}`], { signal });
    const names = records.map((record) => record.name).sort();
    const incompleteImage = (reason: IncompleteReason, message: string): LocalImage => ({
      target: found,
      names,
      tree: undefined,
      presence: NOTHING,
      isRunnable: false,
      incomplete: { reason, message },
    });
    let tree: ImageTree;
    try {
      tree = await resolveTree(found.digest, facts.platform, localReader(this.#containerd, signal));
    } catch (error) {
      if (error instanceof MissingBlobError) return incompleteImage("METADATA_MISSING", error.message);
      if (error instanceof NoPlatformError) return incompleteImage("NO_PLATFORM", error.message);
      throw error;
    }
    const presence = await presenceOf(this.#containerd, tree, facts.snapshotter, signal);
    return {
      target: tree.target,
      names,
      tree,
      presence,
      isRunnable: missingToRun(tree, presence).length === 0,
      incomplete: whyIncomplete(tree, presence),
    };
  }
}

/** Reads metadata from this node's content store. */
export function localReader(containerd: Containerd, signal: AbortSignal): ReadBlob {
  return async (digest) => {
    try {
      const bytes = await containerd.content.readAll(digest, { maxBytes: METADATA_MAX_BYTES, signal });
      // containerd verifies what is written and never again what it has
      return sha256Digest(bytes) === digest ? bytes : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
}

function whyIncomplete(tree: ImageTree, presence: Presence): LocalImage["incomplete"] {
  const missing = missingToServe(tree, presence);
  if (missing.length === 0) return undefined;
  const unpacked = new Set(tree.layers.slice(0, presence.unpackedDepth).map((layer) => layer.digest));
  const blobs = missing.join(", ");
  if (missing.every((digest) => unpacked.has(digest))) {
    return {
      reason: "LAYERS_DISCARDED",
      message: `LAYERS_DISCARDED: unpacked here, but their blobs are gone: ${blobs}`,
    };
  }
  const layers = new Set(tree.layers.map((layer) => layer.digest));
  const isMetadata = missing.some((digest) => !layers.has(digest));
  const reason = isMetadata ? "METADATA_MISSING" : "LAYERS_MISSING";
  return { reason, message: `${reason}: not on this node: ${blobs}` };
}
