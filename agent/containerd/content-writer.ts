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
import { CLOSE_TIMEOUT_MS, COMMIT_TIMEOUT_MS, STREAM_TIMEOUT_MS, WRITE_MESSAGE_BYTES } from "./limits.ts";
import type { CommitOptions, ContentWriter } from "./types.ts";

/** An ingest that is open on a stream. */
export class IngestWriter implements ContentWriter {
  readonly #stream: GrpcStream;
  readonly #socket: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onExists: () => Promise<void>;
  readonly #onAbort: () => void;
  readonly #replies: Promise<void>;
  #offset: number;
  #acknowledged: number;
  /** messages that the operating system does not have in full */
  #unsent = 0;
  #committed = false;
  #isClosed = false;
  #ended = false;
  #failure: ConnectError | undefined;
  #closing: Promise<void> | undefined;
  #change = Promise.withResolvers<void>();

  /**
   * @param options.stream has been asked for the ingest's status and has answered `offset`
   * @param options.onExists is awaited when somebody else has committed the blob meanwhile
   */
  constructor(options: {
    readonly stream: GrpcStream;
    readonly socket: string;
    readonly offset: number;
    readonly signal: AbortSignal | undefined;
    readonly onExists: () => Promise<void>;
  }) {
    this.#stream = options.stream;
    this.#socket = options.socket;
    this.#signal = options.signal;
    this.#onExists = options.onExists;
    this.#offset = options.offset;
    this.#acknowledged = options.offset;
    // what is under way may still be stored: close, which the owner of the writer calls, waits for that
    this.#onAbort = () => {
      if (this.#signal !== undefined) this.#fail(canceled(this.#signal));
    };
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#signal?.aborted === true) this.#onAbort();
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
    for (let at = 0; at < chunk.length; at += WRITE_MESSAGE_BYTES) {
      const data = chunk.subarray(at, at + WRITE_MESSAGE_BYTES);
      this.#sendData(data);
      this.#offset += data.length;
      await this.#allSent();
    }
  }

  /** Until the operating system has what was sent, which waits for room in containerd's HTTP/2 window. */
  async #allSent(): Promise<void> {
    while (this.#unsent > 0) {
      await this.#nextChange(STREAM_TIMEOUT_MS);
      this.#assertUsable();
    }
    this.#assertUsable();
  }

  async commit({ size, digest, labels = {} }: CommitOptions): Promise<"committed" | "exists"> {
    this.#assertUsable();
    const action = WriteAction.COMMIT;
    // with offset 0 containerd would throw away what the ingest holds: the current one, even without data
    this.#send({ action, offset: BigInt(this.#offset), total: BigInt(size), expected: digest, labels });
    this.#stream.end();
    while (!this.#ended && this.#failure === undefined) await this.#nextChange(COMMIT_TIMEOUT_MS);
    if (this.#committed) return "committed";
    if (!isAlreadyExists(this.#failure)) throw this.#failure ?? connectionLost(this.#socket);
    await this.#replies;
    await this.#onExists();
    return "exists";
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    // the end of the stream, not its reset: containerd stores what was sent, and has freed the ref when it answers
    this.#stream.end();
    if (!this.#ended) {
      const timer = setTimeout(() => this.#stream.cancel(this.#closedError()), CLOSE_TIMEOUT_MS);
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
        let message = await this.#stream.receive();
        message !== undefined;
        message = await this.#stream.receive()
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
    const message = `containerd at ${this.#socket} did not answer for ${timeoutMs} ms at byte ${this.#acknowledged}`;
    const timer = setTimeout(() => this.#fail(new ConnectError(message, Code.DeadlineExceeded)), timeoutMs);
    await this.#change.promise;
    clearTimeout(timer);
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw this.#closedError();
    if (this.#ended) throw connectionLost(this.#socket);
  }

  #send(request: Omit<WriteContentRequest, "$typeName" | "ref" | "data">): void {
    this.#stream.send(toBinary(WriteContentRequestSchema, create(WriteContentRequestSchema, request)));
  }

  /** The message's fields but the last as protobuf makes them, then the data as they are. */
  #sendData(data: Uint8Array): void {
    const request = create(WriteContentRequestSchema, {
      action: WriteAction.WRITE,
      offset: BigInt(this.#offset),
    });
    const head = toBinary(WriteContentRequestSchema, request);
    this.#unsent++;
    void this.#stream.sendAndWait(head, bytesFieldHead(DATA_FIELD, data.length), data).then(() => {
      this.#unsent--;
      this.#changed();
    });
  }
}

/** Number of `data` in WriteContentRequest. */
const DATA_FIELD = WriteContentRequestSchema.field.data.number;
