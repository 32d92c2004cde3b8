import { Code } from "@connectrpc/connect";

import { orAbort } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Containerd } from "../containerd/types.ts";
import { configLabels, indexLabels, manifestLabels } from "../image/labels.ts";
import { findMissingToRun } from "../image/presence.ts";
import { resolveTree, totalBytes, type ImageTree, type Layer } from "../image/tree.ts";
import { PARALLEL_LAYERS } from "../limits.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import type { FetchContext } from "./fetch-context.ts";
import { ImportError } from "./import-error.ts";
import type { LayerMender } from "./layer-mender.ts";
import type { ProgressTracker } from "./import-progress.ts";
import type { MetadataReader } from "./metadata-reader.ts";
import { outlastRestarts } from "./outlast.ts";
import type { SourcePool } from "./source-pool.ts";
import { LayerError, type Unpacker, type UnpackContext } from "./unpacker.ts";

/** One import's view of what it needs. */
export interface TransferContext {
  readonly digest: string;
  readonly lease: string;
  readonly pool: SourcePool;
  readonly progress: ProgressTracker;
  readonly signal: AbortSignal;
  grant(): string;
  /** largest compressed size that some caller allows; 0 means no limit */
  maxBytes(): number;
}

/**
 * The transfer proper: metadata, then layers fetched several at a time and unpacked in order while later ones still
 * arrive, then the labels that keep all of it from garbage collection. Makes no image records.
 */
export class ImageImporter {
  readonly #containerd: Containerd;
  readonly #metadata: MetadataReader;
  readonly #fetcher: BlobFetcher;
  readonly #unpacker: Unpacker;
  readonly #mender: LayerMender;
  readonly #clock: Clock;

  constructor(options: {
    readonly containerd: Containerd;
    readonly metadata: MetadataReader;
    readonly fetcher: BlobFetcher;
    readonly unpacker: Unpacker;
    readonly mender: LayerMender;
    readonly clock: Clock;
  }) {
    this.#containerd = options.containerd;
    this.#metadata = options.metadata;
    this.#fetcher = options.fetcher;
    this.#unpacker = options.unpacker;
    this.#mender = options.mender;
    this.#clock = options.clock;
  }

  /**
   * Brings all of the image here, unpacked and labelled, under the lease.
   * @throws ImportError, InvalidImageError, NoPlatformError, MissingBlobError; errors of containerd as they are
   */
  async transfer(facts: NodeFacts, context: TransferContext): Promise<ImageTree> {
    const { progress, signal } = context;
    const tree = await resolveTree(context.digest, facts.platform, (digest, size) =>
      this.#metadata.read({ digest, size }, this.#fetchContext(digest, context)),
    );
    progress.begin(tree);
    const limit = context.maxBytes();
    if (limit > 0 && totalBytes(tree) > limit) {
      throw new ImportError(
        Code.ResourceExhausted,
        `image ${context.digest} has ${totalBytes(tree)} bytes, more than max_bytes ${limit}`,
        { retryable: false },
      );
    }
    const unpack: UnpackContext = { snapshotter: facts.snapshotter, lease: context.lease, signal };
    const done = await this.#outlast(signal, () => this.#unpacker.unpackedDepth(tree.layers, unpack));
    for (let at = 0; at < done; at++) progress.layer(at, "unpacked");
    await this.#layers(tree, done, unpack, context);
    const missing = await this.#outlast(signal, async () => {
      await this.#label(tree, facts, signal);
      return await findMissingToRun(this.#containerd, tree, facts.snapshotter, signal);
    });
    if (missing.length > 0) {
      throw new ImportError(Code.Internal, `content vanished during the import: ${missing.join(", ")}`, {
        retryable: true,
      });
    }
    return tree;
  }

  /** Fetches and unpacks the layers from `first` on; the first failure stops all. */
  async #layers(
    tree: ImageTree,
    first: number,
    unpack: UnpackContext,
    context: TransferContext,
  ): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    const fetches = tree.layers.map(() => Promise.withResolvers<void>());
    // never rejects: a failure stops the others, and is thrown once they have ended
    const guarded = (work: Promise<void>): Promise<void> => work.catch((error: unknown) => stop.abort(error));
    const fetchContext = { ...context, signal };
    let next = first;
    const worker = async (): Promise<void> => {
      for (let at = next++; at < tree.layers.length; at = next++) {
        const layer = tree.layers[at];
        if (layer === undefined) return;
        context.progress.layer(at, "fetching");
        await this.#fetcher.fetch(layer, this.#fetchContext(layer.digest, fetchContext));
        context.progress.layer(at, "fetched");
        fetches[at]?.resolve();
      }
    };
    const marks: Promise<void>[] = [];
    const unpackInOrder = async (): Promise<void> => {
      for (const [at, layer] of tree.layers.entries()) {
        if (at < first) continue;
        await orAbort(fetches[at]?.promise ?? Promise.resolve(), signal);
        await this.#unpack(tree.layers, at, { ...unpack, signal }, fetchContext);
        // the next layer need not wait for that
        marks.push(guarded(this.#unpacker.mark(layer, signal)));
      }
    };
    const work = Array.from({ length: PARALLEL_LAYERS }, () => guarded(worker()));
    await Promise.all([...work, guarded(unpackInOrder())]);
    await Promise.all(marks);
    // the reason of the first failure, not of those it caused
    signal.throwIfAborted();
  }

  /** Unpacks layer `at`, once more if its blob turns out to have been damaged on this node. */
  async #unpack(
    layers: readonly Layer[],
    at: number,
    unpack: UnpackContext,
    context: TransferContext,
  ): Promise<void> {
    const { progress } = context;
    const layer = layers[at];
    if (layer === undefined) return;
    const begun = this.#clock.now();
    progress.layer(at, "unpacking");
    try {
      await this.#unpacker.unpack(layer, layers[at - 1], unpack);
    } catch (error) {
      if (!(error instanceof LayerError)) throw error;
      progress.layer(at, "fetching");
      await this.#mender.mend(layer, { error, begun }, this.#fetchContext(layer.digest, context));
      progress.layer(at, "unpacking");
      await this.#unpacker.unpack(layer, layers[at - 1], unpack);
    }
    progress.layer(at, "unpacked");
  }

  #outlast<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return outlastRestarts(work, { containerd: this.#containerd, clock: this.#clock, signal });
  }

  #fetchContext(digest: string, context: TransferContext): FetchContext {
    const { progress } = context;
    return {
      lease: context.lease,
      imageDigest: context.digest,
      pool: context.pool,
      signal: context.signal,
      grant: () => context.grant(),
      onOpened: (offset) => progress.opened(digest, offset),
      onOffset: (offset, source) => progress.offset(digest, offset, source),
      onReceived: (bytes) => progress.received(digest, bytes),
      onDiscarded: () => progress.discarded(digest),
    };
  }

  async #label(tree: ImageTree, facts: NodeFacts, signal: AbortSignal): Promise<void> {
    const { content } = this.#containerd;
    await content.setLabels(tree.config.digest, configLabels(tree, facts.snapshotter), { signal });
    await content.setLabels(tree.manifest.digest, manifestLabels(tree, facts.letsLayersGo), { signal });
    for (const index of tree.indexes.toReversed()) {
      await content.setLabels(index.digest, indexLabels(index), { signal });
    }
  }
}
