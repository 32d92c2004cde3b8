import type { BlobSink } from "./blob-filler.ts";

/** Takes a small blob in memory. */
export class MemorySink implements BlobSink {
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;

  get offset(): number {
    return this.#offset;
  }

  /** All bytes so far. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  async write(chunk: Uint8Array): Promise<void> {
    // its memory is used again for the next one
    this.#chunks.push(new Uint8Array(chunk));
    this.#offset += chunk.length;
  }
}
