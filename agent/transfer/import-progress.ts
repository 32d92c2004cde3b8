import type { ImageTree } from "../image/tree.ts";
import { totalBytes } from "../image/tree.ts";

/** The step that an import is at, in order. */
export type ImportPhase = "resolving" | "transferring" | "recording" | "verifying";

/** How far one layer is. */
export type LayerState = "waiting" | "fetching" | "fetched" | "unpacking" | "unpacked";

/** One layer in a progress message. */
export interface LayerProgress {
  readonly digest: string;
  readonly size: number;
  /** bytes stored so far */
  readonly offset: number;
  readonly state: LayerState;
  /** node it comes from; "" when nothing is fetched */
  readonly source: string;
}

/** A snapshot of an import's progress. */
export interface ImportProgress {
  readonly phase: ImportPhase;
  readonly bytesTotal: number;
  readonly bytesTransferred: number;
  readonly bytesReused: number;
  readonly layers: readonly LayerProgress[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Keeps count of one import. */
export class ProgressTracker {
  phase: ImportPhase = "resolving";
  #total = 0;
  #layers: Mutable<LayerProgress>[] = [];
  /** per blob that was fetched: bytes stored before this import, and those received since that are stored */
  readonly #blobs = new Map<string, { before: number; received: number }>();

  /** Takes over the image's layers once they are known. */
  begin(tree: ImageTree): void {
    this.phase = "transferring";
    this.#total = totalBytes(tree);
    this.#layers = tree.layers.map(({ digest, size }) => ({
      digest,
      size,
      offset: 0,
      state: "waiting",
      source: "",
    }));
  }

  /** Layer `at` is in a new state; a layer that is unpacked is whole. */
  layer(at: number, state: LayerState): void {
    const layer = this.#layers[at];
    if (layer === undefined) return;
    layer.state = state;
    if (state === "fetched" || state === "unpacked") layer.offset = layer.size;
  }

  /** Bytes of a blob stored so far. */
  offset(digest: string, offset: number, source: string): void {
    for (const layer of this.#layers) {
      if (layer.digest !== digest) continue;
      layer.offset = offset;
      if (source !== "") layer.source = source;
    }
  }

  /** A blob is about to be written from `offset` on; what came in beyond that was lost when containerd went away. */
  opened(digest: string, offset: number): void {
    const { before } = this.#blobs.get(digest) ?? { before: offset };
    this.#blobs.set(digest, { before: Math.min(before, offset), received: Math.max(0, offset - before) });
    this.offset(digest, offset, "");
  }

  /** Bytes of a blob came in. */
  received(digest: string, bytes: number): void {
    const blob = this.#blobs.get(digest);
    if (blob !== undefined) blob.received += bytes;
  }

  /** What is stored of a blob was wrong and is gone. */
  discarded(digest: string): void {
    this.#blobs.set(digest, { before: 0, received: 0 });
    this.offset(digest, 0, "");
  }

  /** Compressed bytes of the image; 0 until its manifest is read. */
  get bytesTotal(): number {
    return this.#total;
  }

  /** Bytes received by this import that were not lost or thrown away. */
  get bytesTransferred(): number {
    return sum([...this.#blobs.values()].map(({ received }) => received));
  }

  /** Bytes stored for a next try: whole and partial layers. */
  get bytesStored(): number {
    const distinct = new Map(this.#layers.map((layer) => [layer.digest, layer.offset]));
    return sum(distinct.values());
  }

  /** The state now, as a value. */
  snapshot(): ImportProgress {
    const bytesTransferred = this.bytesTransferred;
    const isWhole = this.phase === "recording" || this.phase === "verifying";
    return {
      phase: this.phase,
      bytesTotal: this.#total,
      bytesTransferred,
      bytesReused: isWhole ? this.#total - bytesTransferred : this.#reusedSoFar(),
      layers: this.#layers.map((layer) => ({ ...layer })),
    };
  }

  #reusedSoFar(): number {
    const distinct = new Map(this.#layers.map((layer) => [layer.digest, layer]));
    let reused = 0;
    for (const { digest, offset } of distinct.values())
      reused += Math.max(0, offset - (this.#blobs.get(digest)?.received ?? 0));
    return reused;
  }
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
