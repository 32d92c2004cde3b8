import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-connect";

import type { ExportBlobResponse } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { BlobDecoder } from "./blob-decoder.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { ExchangeListener } from "./http-connection.ts";
import type { ResponseHead } from "./http-response.ts";
import type { BlobMessage } from "./peer.ts";

/** What a receiver works with. */
export interface BlobReceiverOptions {
  /** URL of the other agent, for messages */
  readonly endpoint: string;
  /** where the bytes come from: told to wait while nobody reads them */
  readonly connection: { pause(): void; resume(): void };
  readonly buffers: BufferPool;
}

/** Content type of Connect's streams. */
export const CONTENT_TYPE = "application/connect+proto";
/** Bytes of whole messages that may wait for whoever reads them. */
const READ_AHEAD_BYTES = 2 * 1024 * 1024;

/** Takes an ExportBlob answer in as it arrives, and hands its messages out as they are asked for. */
export class BlobReceiver implements ExchangeListener {
  readonly #options: BlobReceiverOptions;
  readonly #decoder: BlobDecoder;
  readonly #waiting: ExportBlobResponse[] = [];
  #waitingBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  /** when something came last, by performance.now(); 0 when nothing has */
  #heardMs = 0;
  #hasHead = false;
  #hasEnded = false;
  #isReusable = false;
  #wake: () => void = () => undefined;

  constructor(options: BlobReceiverOptions) {
    this.#options = options;
    this.#decoder = new BlobDecoder(options.buffers);
  }

  /** The answer was read to its end, and its connection can take another request. */
  get isReusable(): boolean {
    return this.#isReusable;
  }

  onHead({ status, headers }: ResponseHead): void {
    const { endpoint } = this.#options;
    this.#hasHead = true;
    this.#heardSomething();
    if (status !== 200) {
      throw new ConnectError(`${endpoint} answered with HTTP status ${status}`, codeFromHttpStatus(status));
    }
    const type = headers.get("content-type") ?? "none";
    if (type !== CONTENT_TYPE) {
      throw new ConnectError(
        `${endpoint} answered with content type ${type}, not ${CONTENT_TYPE}`,
        Code.Internal,
      );
    }
  }

  onBody(bytes: Uint8Array): void {
    for (const message of this.#decoder.decode(bytes)) {
      this.#waiting.push(message);
      this.#waitingBytes += message.data.byteLength;
    }
    if (this.#waitingBytes >= READ_AHEAD_BYTES) this.#options.connection.pause();
    // a part of a message is no silence, and nobody need wake up for it
    this.#heardMs = performance.now();
    if (this.#waiting.length > 0) this.#wake();
  }

  onEnd(isReusable: boolean): void {
    this.#hasEnded = true;
    this.#isReusable = isReusable && this.#decoder.ended;
    this.#heardSomething();
  }

  onBroken(error: unknown): void {
    this.#failure ??= { error };
    this.#heardSomething();
  }

  /** Waits for the head of the answer; false when the connection breaks before, or it takes longer than that. */
  async hasAnswer(timeoutMs: number): Promise<boolean> {
    if (this.#heardMs === 0) await this.#change(timeoutMs);
    return this.#hasHead;
  }

  /**
   * Yields the messages as they arrive: the size first, then the data, whose memory is used again for a later message
   * once the next one is asked for.
   *
   * @param idleTimeoutMs longest silence while a message is waited for; a slow reader is no silence
   * @throws ConnectError the other side's; deadline_exceeded after a silence; unavailable when the answer breaks off;
   * what the connection broke with as it is
   */
  async *messages(idleTimeoutMs: number): AsyncGenerator<BlobMessage, void, undefined> {
    for (let isFirst = true; ; isFirst = false) {
      const message = await this.#next(idleTimeoutMs);
      if (message === undefined) return;
      this.#waitingBytes -= message.data.byteLength;
      if (this.#waitingBytes < READ_AHEAD_BYTES) this.#options.connection.resume();
      if (isFirst) yield { size: sizeOf(message) };
      // else one that sends nothing for ever would never fall silent
      else if (message.data.byteLength === 0) throw new ConnectError("an empty message", Code.Internal);
      if (message.data.byteLength === 0) continue;
      yield { data: message.data };
      this.#options.buffers.giveBack(message.data);
    }
  }

  /** Undefined at the proper end of the stream. */
  async #next(idleTimeoutMs: number): Promise<ExportBlobResponse | undefined> {
    const askedMs = performance.now();
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#hasEnded) {
        if (this.#decoder.ended) return undefined;
        throw new ConnectError("the stream broke off", Code.Unavailable);
      }
      const leftMs = Math.max(askedMs, this.#heardMs) + idleTimeoutMs - performance.now();
      if (leftMs > 0) {
        await this.#change(leftMs);
        continue;
      }
      const what = this.#hasHead ? "nothing received" : `${this.#options.endpoint} has not answered`;
      throw new ConnectError(`${what} for ${idleTimeoutMs / 1000} s`, Code.DeadlineExceeded);
    }
  }

  /** Waits for the head, a message, or the end, at most so long. */
  async #change(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  #heardSomething(): void {
    this.#heardMs = performance.now();
    this.#wake();
  }
}

/** The size of the blob, in the first message of the stream. */
function sizeOf(message: ExportBlobResponse): number {
  const size = Number(message.size);
  if (size >= 0 && Number.isSafeInteger(size)) return size;
  throw new ConnectError(`the stream began with the impossible size ${message.size}`, Code.Internal);
}
