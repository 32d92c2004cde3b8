import { Code, ConnectError } from "@connectrpc/connect";

import { MAX_EXPORTS } from "../limits.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { LocalBlobs } from "../transfer/local-blobs.ts";
import type { ExportSessions } from "../transfer/export-sessions.ts";
import type { Throttle } from "../transfer/throttle.ts";
import { imageArchive } from "./archive.ts";
import type { LocalImages } from "./local-images.ts";

/** An open archive. */
export interface OpenArchive {
  /** the tar, in pieces of at most what the throttle takes at once */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** ends it; call it however reading ends */
  close(): void;
}

/** Serves whole images of this node as archives. */
export class ImageExporter {
  readonly #images: LocalImages;
  readonly #reader: LocalBlobs;
  readonly #sessions: ExportSessions;
  readonly #throttle: Throttle;
  readonly #readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
  readonly #countBytes: (bytes: number) => void;
  /** archives that are being sent now */
  #active = 0;

  constructor(options: {
    readonly images: LocalImages;
    readonly reader: LocalBlobs;
    readonly sessions: ExportSessions;
    /** shared with other streams that go out */
    readonly throttle: Throttle;
    readonly readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
    /** counts bytes sent */
    readonly countBytes: (bytes: number) => void;
  }) {
    this.#images = options.images;
    this.#reader = options.reader;
    this.#sessions = options.sessions;
    this.#throttle = options.throttle;
    this.#readFacts = options.readFacts;
    this.#countBytes = options.countBytes;
  }

  /**
   * Opens an image as a tar, see imageArchive. The image is kept from garbage collection until the end.
   * @throws ConnectError not_found, failed_precondition naming what is missing, resource_exhausted
   */
  async open(reference: string, signal: AbortSignal): Promise<OpenArchive> {
    if (this.#active >= MAX_EXPORTS) {
      throw new ConnectError(
        `${this.#active} archives are being sent, at most ${MAX_EXPORTS} may`,
        Code.ResourceExhausted,
      );
    }
    const facts = await this.#readFacts(signal);
    const image = await this.#images.resolve(reference, facts, signal);
    if (image === undefined) throw new ConnectError(`${reference} is not on this node`, Code.NotFound);
    const { tree, incomplete } = image;
    if (tree === undefined || incomplete !== undefined) {
      throw new ConnectError(
        `${reference} cannot be exported from this node: ${incomplete?.message ?? "it is incomplete"}`,
        Code.FailedPrecondition,
      );
    }
    const { digest } = tree.target;
    const endSession = await this.#sessions.open(`archive ${digest}`, digest, digest, signal);
    this.#active++;
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#active--;
      endSession();
    };
    const chunks = imageArchive(tree, image.names, (blob, size) => this.#reader.read(blob, 0, size, signal));
    return { chunks: this.#gathered(chunks, signal), close };
  }

  /** Headers and padding are small: sent together with what follows them. */
  async *#gathered(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { pieceBytes } = this.#throttle;
    let pending: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of chunks) {
      if (length + chunk.length > pieceBytes && length > 0) {
        yield await this.#send(pending, length, signal);
        pending = [];
        length = 0;
      }
      pending.push(chunk);
      length += chunk.length;
    }
    yield await this.#send(pending, length, signal);
  }

  /** Waits until so many bytes may go out. */
  async #send(pieces: readonly Uint8Array[], length: number, signal: AbortSignal): Promise<Uint8Array> {
    await this.#throttle.take(length, signal);
    this.#countBytes(length);
    return join(pieces);
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}
