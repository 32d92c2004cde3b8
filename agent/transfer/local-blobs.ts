import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

import type { Containerd } from "../containerd/types.ts";
import { isOutOfReach } from "../root-folder.ts";
import type { BufferPool } from "./buffer-pool.ts";

/** Where blobs are below containerd's root. */
const BLOBS = "io.containerd.content.v1.content/blobs/sha256";

/**
 * Reads blobs of this node: from containerd's content folder where that is mounted, which is more than twice as fast,
 * else through the Content API. Whether the bytes are right is for the receiver to check, who knows the digest.
 */
export class LocalBlobs {
  readonly #containerd: Pick<Containerd, "content">;
  readonly #root: string;
  readonly #buffers: BufferPool;
  readonly #pieceBytes: number;

  /**
   * @param options.root containerd's root folder as the agent sees it; need not exist
   * @param options.buffers where the memory of chunks comes from; who is done with a chunk may give it back
   * @param options.pieceBytes largest chunk
   */
  constructor(options: {
    readonly containerd: Pick<Containerd, "content">;
    readonly root: string;
    readonly buffers: BufferPool;
    readonly pieceBytes: number;
  }) {
    this.#containerd = options.containerd;
    this.#root = options.root;
    this.#buffers = options.buffers;
    this.#pieceBytes = options.pieceBytes;
  }

  /** The bytes of a blob of `size` bytes from `offset` on, in chunks of at most `pieceBytes`. */
  async *read(digest: string, offset: number, size: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (offset >= size) return;
    const file = await this.#openFile(digest, size);
    if (file === undefined) {
      yield* inPieces(this.#containerd.content.read(digest, { offset, signal }), this.#pieceBytes);
      return;
    }
    try {
      for (let at = offset; at < size;) {
        signal.throwIfAborted();
        const buffer = this.#buffers.take(Math.min(this.#pieceBytes, size - at));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw new Error(`blob ${digest} ended at byte ${at} of ${size}`);
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  /** The blob's file if it is there and whole; an open file stays readable when garbage collection removes its name. */
  async #openFile(digest: string, size: number): Promise<FileHandle | undefined> {
    const path = join(this.#root, BLOBS, digest.slice("sha256:".length));
    const file = await open(path, "r").catch((error: unknown) => {
      if (isOutOfReach(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    if ((await file.stat()).size === size) return file;
    await file.close();
    return undefined;
  }
}

async function* inPieces(chunks: AsyncIterable<Uint8Array>, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += pieceBytes) yield chunk.subarray(at, at + pieceBytes);
  }
}
