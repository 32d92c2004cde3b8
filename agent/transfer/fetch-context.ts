import type { SourcePool } from "./source-pool.ts";

/** A blob to bring here; the size of an image's root is not known beforehand. */
export interface WantedBlob {
  readonly digest: string;
  readonly size: number | undefined;
}

/** What a fetch needs to know of the import it belongs to. */
export interface FetchContext {
  readonly lease: string;
  readonly imageDigest: string;
  readonly pool: SourcePool;
  readonly signal: AbortSignal;
  /** export grant to show to sources; asked for at each stream because a later caller may bring a fresher one */
  grant(): string;
  /** an index, manifest or config may not be larger */
  readonly maxBytes?: number;
  /** the blob is about to be written from this offset on, for the first time or again */
  onOpened?(offset: number): void;
  /** bytes of this blob stored here so far, and the node that sends more */
  onOffset?(offset: number, source: string): void;
  /** bytes of this blob came in from a source */
  onReceived?(bytes: number): void;
  /** the bytes stored of this blob were wrong and are gone */
  onDiscarded?(): void;
}
