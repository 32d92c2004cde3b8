/** Writing blobs to the content store: one Write stream per ingest (containerd services/content/contentserver). */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import {
  WriteAction,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
  type WriteContentRequest,
} from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import { canceled, connectionLost, isAlreadyExists } from "./errors.ts";
import { bytesFieldHead } from "./grpc-frames.ts";
import type { GrpcStream } from "./grpc-stream.ts";
import {
  CLOSE_TIMEOUT_MS,
  COMMIT_TIMEOUT_MS,
  MESSAGE_MS,
  STREAM_TIMEOUT_MS,
  WRITE_MESSAGE_BYTES,
} from "./limits.ts";
import type { CommitOptions, ContentWriter, OpenWriterOptions } from "./types.ts";

/** What an ingest is written with. */
export interface IngestWriterOptions extends Pick<OpenWriterOptions, "size" | "maxMessageBytes" | "signal"> {
  /** has been asked for the ingest's status and has answered `offset` */
  readonly stream: GrpcStream;
  readonly socket: string;
  readonly offset: number;
  /** is awaited when somebody else has committed the blob meanwhile */
  readonly onExists: () => Promise<void>;
}

/** An ingest that is open on a stream. */
export class IngestWriter implements ContentWriter {
  readonly #options: IngestWriterOptions;
  readonly #onAbort: () => void;
  readonly #replies: Promise<void>;
  #offset: number;
  #acknowledged: number;
  /** bytes that the message which has begun still has to get */
  #messageLeft = 0;
  #isSending = false;
  #messageBegan: { readonly atMs: number; readonly offset: number } | undefined;
  #committed = false;
  #isClosed = false;
  #ended = false;
  #failure: ConnectError | undefined;
  #closing: Promise<void> | undefined;
  #change = Promise.withResolvers<void>();

  constructor(options: IngestWriterOptions) {
    this.#options = options;
    this.#offset = options.offset;
    this.#acknowledged = options.offset;
    const { signal } = options;
    // what is under way may still be stored: close, which the owner of the writer calls, waits for that
    this.#onAbort = () => {
      if (signal !== undefined) this.#fail(canceled(signal));
    };
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted === true) this.#onAbort();
    this.#replies = this.#readReplies();
  }

  get offset(): number {
    return this.#offset;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertUsable();
    for (let at = 0; at < chunk.length;) {
      if (this.#messageLeft === 0) this.#beginMessage(chunk.length - at);
      const part = chunk.subarray(at, at + this.#messageLeft);
      at += part.length;
      this.#messageLeft -= part.length;
      this.#offset += part.length;
      await this.#sendPart(part);
    }
  }

  /** Until the operating system has it, which waits for room in containerd's HTTP/2 window. */
  async #sendPart(part: Uint8Array): Promise<void> {
    this.#isSending = true;
    void this.#options.stream.sendPart(part).then(() => {
      this.#isSending = false;
      this.#changed();
    });
    while (this.#isSending) {
      await this.#nextChange(STREAM_TIMEOUT_MS);
      this.#assertUsable();
    }
    this.#assertUsable();
  }

  async commit({ size, digest, labels = {} }: CommitOptions): Promise<"committed" | "exists"> {
    this.#assertUsable();
    if (this.#messageLeft > 0) {
      const message = `commit at byte ${this.#offset} of a blob that was opened with ${this.#options.size} bytes`;
      throw new ConnectError(message, Code.Internal);
    }
    const action = WriteAction.COMMIT;
    // with offset 0 containerd would throw away what the ingest holds: the current one, even without data
    this.#send({ action, offset: BigInt(this.#offset), total: BigInt(size), expected: digest, labels });
    this.#options.stream.end();
    while (!this.#ended && this.#failure === undefined) await this.#nextChange(COMMIT_TIMEOUT_MS);
    if (this.#committed) return "committed";
    if (!isAlreadyExists(this.#failure)) throw this.#failure ?? connectionLost(this.#options.socket);
    await this.#replies;
    await this.#options.onExists();
    return "exists";
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    // the end of the stream, not its reset: containerd stores what was sent, and has freed the ref when it answers
    this.#options.stream.end();
    if (!this.#ended) {
      const timer = setTimeout(() => this.#options.stream.cancel(this.#closedError()), CLOSE_TIMEOUT_MS);
      await this.#replies;
      clearTimeout(timer);
    }
    this.#isClosed = true;
    this.#changed();
  }

  #closedError(): ConnectError {
    return new ConnectError(`writer closed at byte ${this.#offset}`, Code.Canceled);
  }

  /** Ends when the stream does; never rejects. */
  async #readReplies(): Promise<void> {
    try {
      for (
        let message = await this.#options.stream.receive();
        message !== undefined;
        message = await this.#options.stream.receive()
      ) {
        const reply = fromBinary(WriteContentResponseSchema, message);
        this.#acknowledged = Number(reply.offset);
        if (reply.action === WriteAction.COMMIT) this.#committed = true;
        this.#changed();
      }
    } catch (error) {
      this.#failure ??= ConnectError.from(error);
    }
    this.#ended = true;
    this.#changed();
  }

  #fail(error: ConnectError): void {
    this.#failure ??= error;
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  /** Until containerd has answered something, the stream has ended or the signal has fired. */
  async #nextChange(timeoutMs: number): Promise<void> {
    const message = `containerd at ${this.#options.socket} did not answer for ${timeoutMs} ms at byte ${this.#acknowledged}`;
    const timer = setTimeout(() => this.#fail(new ConnectError(message, Code.DeadlineExceeded)), timeoutMs);
    await this.#change.promise;
    clearTimeout(timer);
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw this.#closedError();
    if (this.#ended) throw connectionLost(this.#options.socket);
  }

  #send(request: Omit<WriteContentRequest, "$typeName" | "ref" | "data">): void {
    this.#options.stream.send(
      toBinary(WriteContentRequestSchema, create(WriteContentRequestSchema, request)),
    );
  }

  /** Sends the message's fields but the last as protobuf makes them; its data follow as they come. */
  #beginMessage(chunkBytes: number): void {
    this.#messageLeft = this.#nextMessageBytes(chunkBytes);
    this.#messageBegan = { atMs: performance.now(), offset: this.#offset };
    const request = create(WriteContentRequestSchema, {
      action: WriteAction.WRITE,
      offset: BigInt(this.#offset),
    });
    const head = toBinary(WriteContentRequestSchema, request);
    const dataHead = bytesFieldHead(DATA_FIELD, this.#messageLeft);
    const start = Buffer.concat([head, dataHead]);
    this.#options.stream.begin(start.length + this.#messageLeft, start);
  }

  /** What is at hand, and what is likely to come within MESSAGE_MS. */
  #nextMessageBytes(chunkBytes: number): number {
    const { maxMessageBytes = WRITE_MESSAGE_BYTES } = this.#options;
    if (this.#options.maxMessageBytes === undefined || this.#messageBegan === undefined)
      return Math.min(chunkBytes, maxMessageBytes);
    const { atMs, offset } = this.#messageBegan;
    const perMs = (this.#offset - offset) / Math.max(performance.now() - atMs, 1);
    const toCome = Math.min(Math.floor(perMs * MESSAGE_MS), this.#options.size - this.#offset);
    return Math.min(Math.max(chunkBytes, toCome), maxMessageBytes);
  }
}

/** Number of `data` in WriteContentRequest. */
const DATA_FIELD = WriteContentRequestSchema.field.data.number;
