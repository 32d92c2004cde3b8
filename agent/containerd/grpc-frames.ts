/** gRPC's framing of messages on an HTTP/2 stream: a zero, the length in four bytes, the message. */
import { Code, ConnectError } from "@connectrpc/connect";

/** Bytes in front of each message. */
export const FRAME_HEAD_BYTES = 5;

/** What goes in front of a message of `length` bytes. */
export function frameHead(length: number): Uint8Array {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(length, 1);
  return head;
}

/** Tag and length of a protobuf field of type bytes: what goes in front of its value (field numbers 1 to 15). */
export function bytesFieldHead(field: number, length: number): Uint8Array {
  const head = [(field << 3) | 2];
  let rest = length;
  while (rest > 0x7f) {
    head.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Uint8Array.from([...head, rest]);
}

/** Puts messages together from the pieces that arrive. Each message is copied once, into memory of its own. */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #head = new Uint8Array(FRAME_HEAD_BYTES);
  #headBytes = 0;
  #message: Uint8Array | undefined;
  #messageBytes = 0;

  /** @param maxBytes a longer message is an error */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next piece and answers the messages that it completes.
   * @throws ConnectError resource_exhausted when a message is too long, internal when one is compressed
   */
  push(piece: Uint8Array): readonly Uint8Array[] {
    const complete: Uint8Array[] = [];
    let at = 0;
    while (at < piece.length) {
      if (this.#message === undefined) {
        const taken = Math.min(FRAME_HEAD_BYTES - this.#headBytes, piece.length - at);
        this.#head.set(piece.subarray(at, at + taken), this.#headBytes);
        this.#headBytes += taken;
        at += taken;
        if (this.#headBytes < FRAME_HEAD_BYTES) break;
        this.#message = this.#allocate();
      }
      const taken = Math.min(this.#message.length - this.#messageBytes, piece.length - at);
      this.#message.set(piece.subarray(at, at + taken), this.#messageBytes);
      this.#messageBytes += taken;
      at += taken;
      if (this.#messageBytes < this.#message.length) break;
      complete.push(this.#message);
      this.#message = undefined;
      this.#messageBytes = 0;
      this.#headBytes = 0;
    }
    return complete;
  }

  #allocate(): Uint8Array {
    const [flags = 0] = this.#head;
    if (flags !== 0)
      throw new ConnectError(`got a message with flags ${flags}, expected none`, Code.Internal);
    const length = new DataView(this.#head.buffer).getUint32(1);
    if (length > this.#maxBytes) {
      const message = `got a message of ${length} bytes, more than the limit of ${this.#maxBytes}`;
      throw new ConnectError(message, Code.ResourceExhausted);
    }
    // filled completely before anybody sees it
    return Buffer.allocUnsafe(length);
  }
}
