/**
 * A gRPC stream on plain node:http2, for all calls to containerd. Generic clients copy and await each message more than
 * once; here what is sent is never copied, and what arrives is copied once.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";

import { connectionLost, toContainerdError } from "./errors.ts";
import { FrameReader, frameHead } from "./grpc-frames.ts";
import { MAX_MESSAGE_BYTES, READ_AHEAD_MESSAGES } from "./limits.ts";

const NOTHING = new Uint8Array(0);

/** One call that streams, already opened. Cancel it, or read it to its end. */
export class GrpcStream {
  readonly #stream: ClientHttp2Stream;
  readonly #socket: string;
  readonly #frames = new FrameReader(MAX_MESSAGE_BYTES);
  readonly #messages: Uint8Array[] = [];
  /** of a message that has begun: what goes before its first part */
  #begun: Uint8Array = NOTHING;
  #status: ConnectError | "ok" | undefined;
  #cause: unknown;
  #closed = false;
  #wake: () => void = () => undefined;

  /** @param socket path of the unix socket, for messages */
  constructor(stream: ClientHttp2Stream, socket: string) {
    this.#stream = stream;
    this.#socket = socket;
    stream.on("response", (headers) => this.#onHeaders(headers));
    stream.on("trailers", (headers) => this.#onHeaders(headers));
    stream.on("data", (piece: Buffer) => this.#onData(piece));
    stream.on("error", (error) => (this.#cause = error));
    stream.on("end", () => this.#onEnd());
    stream.on("close", () => this.#onClose());
  }

  /** Sends one message, without copying it; what HTTP/2 cannot take yet is held in memory. */
  send(message: Uint8Array): void {
    this.begin(message.length);
    void this.sendPart(message);
  }

  /**
   * Begins a message of `length` bytes with `start`. Its other parts must follow: a message without all of them is lost,
   * and what goes before its first part leaves together with that.
   */
  begin(length: number, start: Uint8Array = NOTHING): void {
    this.#begun = Buffer.concat([frameHead(length), start]);
  }

  /**
   * Sends a part of the message, without copying it, and resolves when the operating system has all of it: then its
   * bytes may be changed. Resolves too when the call ends before, with the part perhaps still on its way.
   */
  sendPart(part: Uint8Array): Promise<void> {
    const parts = [this.#begun, part].filter(({ length }) => length > 0);
    this.#begun = NOTHING;
    if (this.#closed || this.#stream.writableEnded || this.#stream.destroyed) return Promise.resolve();
    this.#stream.cork();
    const sent = parts.map((one) => new Promise<void>((resolve) => this.#stream.write(one, () => resolve())));
    this.#stream.uncork();
    return sent.at(-1) ?? Promise.resolve();
  }

  /** Says that no more messages follow. */
  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  /**
   * The next message, undefined at the end. One receiver at a time.
   * @param timeoutMs how long to wait for it, in milliseconds, before the call is ended; default for ever
   * @throws ConnectError what containerd answered, unavailable when the connection was lost, deadline_exceeded
   */
  async receive(timeoutMs?: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        if (this.#stream.isPaused()) this.#stream.resume();
        return message;
      }
      if (this.#status instanceof ConnectError) throw this.#status;
      if (this.#closed) return undefined;
      await this.#change(timeoutMs);
    }
  }

  async #change(timeoutMs: number | undefined): Promise<void> {
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#timeOut(timeoutMs), timeoutMs);
    await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(timer);
  }

  #timeOut(timeoutMs: number): void {
    const message = `containerd at ${this.#socket} sent nothing for ${timeoutMs} ms`;
    this.cancel(new ConnectError(message, Code.DeadlineExceeded));
  }

  /** Ends the call at once; receive rejects with `error`. Without effect after the end. */
  cancel(error: ConnectError): void {
    if (!this.#closed) this.#status = error;
    this.#settle();
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #onHeaders(headers: IncomingHttpHeaders): void {
    const http = headers[":status"];
    if (http !== undefined && String(http) !== "200") {
      this.#status ??= new ConnectError(`containerd answered HTTP status ${String(http)}`, Code.Unknown);
    }
    const status = headers["grpc-status"];
    if (status === undefined) return;
    this.#status ??= status === "0" ? "ok" : toContainerdError(statusError(status, headers), this.#socket);
  }

  #onData(piece: Buffer): void {
    if (this.#closed) return;
    try {
      this.#messages.push(...this.#frames.push(piece));
    } catch (error) {
      this.cancel(ConnectError.from(error));
      return;
    }
    if (this.#messages.length >= READ_AHEAD_MESSAGES) this.#stream.pause();
    this.#wake();
  }

  /** All data has been read; a status that has not been seen by now is about to be, or there is none. */
  #onEnd(): void {
    if (this.#status !== undefined) this.#settle();
    else setImmediate(() => this.#onClose());
  }

  #onClose(): void {
    this.#status ??= connectionLost(this.#socket, this.#cause);
    this.#settle();
  }

  #settle(): void {
    this.#closed = true;
    this.#wake();
  }
}

/** The error of a gRPC status other than 0: its numbers are Connect's codes, its message is percent-encoded. */
function statusError(status: string | string[], headers: IncomingHttpHeaders): ConnectError {
  const message = headers["grpc-message"];
  const number = Number(status);
  const code = number >= 1 && number <= 16 ? (number as Code) : Code.Unknown;
  return new ConnectError(
    typeof message === "string" ? percentDecode(message) : `grpc status ${number}`,
    code,
  );
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
