import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { endStreamFlag, endStreamFromJson } from "@connectrpc/connect/protocol-connect";

import { type ExportBlobResponse, ExportBlobResponseSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";

import type { BufferPool } from "./buffer-pool.ts";

/** Flags (1 byte) and length (4 bytes, big endian) in front of each message. */
const HEAD_BYTES = 5;
/** Largest message taken: the contract says 1 MiB of data at most. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const NO_MESSAGES: readonly ExportBlobResponse[] = [];

/**
 * Decodes the body of an ExportBlob answer in the Connect protocol, chunk by chunk as they come from the socket.
 *
 * Each message is copied once, into memory from the pool; the bytes of its `data` are a view of that memory, which
 * belongs to the message until it is given back.
 * Source: https://connectrpc.com/docs/protocol#streaming-response
 */
export class BlobDecoder {
  readonly #buffers: BufferPool;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headFilled = 0;
  /** memory for the whole message, and how much of it has come so far */
  #body: Uint8Array | undefined;
  #bodyFilled = 0;
  #ended = false;

  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  /** The end of the stream has been seen: what was decoded is all there is. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Takes the next bytes and returns the messages that are complete now.
   * @throws ConnectError the server's, from the end of the stream; internal or resource_exhausted when the bytes are no
   * legal answer
   */
  decode(chunk: Uint8Array): readonly ExportBlobResponse[] {
    // of the many chunks of a large message all but the first and the last
    if (this.#body !== undefined && chunk.byteLength < this.#body.byteLength - this.#bodyFilled) {
      this.#append(this.#body, chunk);
      return NO_MESSAGES;
    }
    const messages: ExportBlobResponse[] = [];
    let rest = chunk;
    while (rest.byteLength > 0) {
      if (this.#ended) throw new ConnectError("data after the end of the stream", Code.Internal);
      rest = this.#readHead(rest);
      if (this.#headFilled < HEAD_BYTES) break;
      // every byte is overwritten before anyone sees it
      const body = (this.#body ??= this.#buffers.take(this.#bodyLength()));
      const missing = body.byteLength - this.#bodyFilled;
      const part = rest.subarray(0, missing);
      rest = rest.subarray(part.byteLength);
      this.#append(body, part);
      if (part.byteLength < missing) break;
      const message = this.#finish(body);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  #readHead(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, HEAD_BYTES - this.#headFilled);
    this.#head.set(part, this.#headFilled);
    this.#headFilled += part.byteLength;
    return chunk.subarray(part.byteLength);
  }

  #bodyLength(): number {
    const length = new DataView(this.#head.buffer).getUint32(1);
    if (length <= MAX_MESSAGE_BYTES) return length;
    throw new ConnectError(
      `a message of ${length} bytes is over the limit of ${MAX_MESSAGE_BYTES}`,
      Code.ResourceExhausted,
    );
  }

  #append(body: Uint8Array, part: Uint8Array): void {
    body.set(part, this.#bodyFilled);
    this.#bodyFilled += part.byteLength;
  }

  #finish(body: Uint8Array): ExportBlobResponse | undefined {
    const [flags] = this.#head;
    this.#headFilled = 0;
    this.#body = undefined;
    this.#bodyFilled = 0;
    if (flags === 0) return parseMessage(body);
    if (flags !== endStreamFlag) {
      throw new ConnectError(`a message has the unknown flags ${flags}`, Code.Internal);
    }
    this.#ended = true;
    // what nearly every stream ends with; the parser makes an error with a stack before it looks
    if (isNothing(body)) return undefined;
    const { error } = endStreamFromJson(body);
    if (error !== undefined) throw error;
    return undefined;
  }
}

/** Whether it is the JSON text "{}". */
function isNothing([first, second, ...rest]: Uint8Array): boolean {
  return first === 0x7b && second === 0x7d && rest.length === 0;
}

function parseMessage(body: Uint8Array): ExportBlobResponse {
  try {
    return fromBinary(ExportBlobResponseSchema, body);
  } catch (error) {
    throw new ConnectError("a message does not parse", Code.Internal, undefined, undefined, error);
  }
}
