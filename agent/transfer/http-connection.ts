import net from "node:net";
import tls from "node:tls";

import { Code, ConnectError } from "@connectrpc/connect";

import { ResponseDecoder, type ResponseListener } from "./http-response.ts";

/** Where to connect, and how. */
export interface DialOptions {
  /** "https://ip:port" or "http://host:port" */
  readonly endpoint: string;
  /** our certificate and whom to trust; for https */
  readonly tls?: tls.ConnectionOptions | undefined;
  /** until the connection stands, TLS included, in milliseconds */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Who is told of an answer, and of what ended it before its end. */
export interface ExchangeListener extends ResponseListener {
  onBroken(error: unknown): void;
}

/** Bytes read at once. */
const READ_BYTES = 64 * 1024;

/** A connection in HTTP/1.1, for one request at a time. All that arrives is read into one buffer. */
export class HttpConnection {
  readonly #socket: net.Socket;
  #decoder: ResponseDecoder | undefined;
  /** ends the exchange that runs */
  #stop: ((error: unknown) => void) | undefined;

  /** @throws ConnectError unavailable when there is no connection in time; errors of the socket; the signal's reason */
  static async open({ endpoint, tls: tlsOptions, timeoutMs, signal }: DialOptions): Promise<HttpConnection> {
    const { protocol, hostname, port } = new URL(endpoint);
    const isSecure = protocol === "https:";
    const options = {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port) || (isSecure ? 443 : 80),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback(length: number, bytes: Uint8Array): boolean {
          connection.#onBytes(bytes.subarray(0, length));
          return true;
        },
      },
    };
    const socket = isSecure
      ? tls.connect({ ...tlsOptions, ...options, ALPNProtocols: ["http/1.1"] })
      : net.connect(options);
    const connection = new HttpConnection(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => void socket.destroy(toError(signal.reason));
    const timer = setTimeout(() => {
      const message = `no connection to ${endpoint} within ${timeoutMs / 1000} s`;
      socket.destroy(new ConnectError(message, Code.Unavailable));
    }, timeoutMs);
    socket.once(isSecure ? "secureConnect" : "connect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(closed()));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await promise;
      return connection;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", (error) => this.#stop?.(error));
    socket.on("end", () => this.destroy());
    socket.on("timeout", () => this.destroy());
    socket.on("close", () => this.#stop?.(closed()));
  }

  /** It can take a request. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#stop === undefined;
  }

  /** Sends a request, head and body; its answer goes to the listener. The signal ends it, and the connection. */
  exchange(request: Uint8Array, listener: ExchangeListener, signal: AbortSignal): void {
    const onAbort = (): void => this.#stop?.(signal.reason);
    const finish = (): void => {
      signal.removeEventListener("abort", onAbort);
      this.#decoder = undefined;
      this.#stop = undefined;
    };
    this.#stop = (error) => {
      finish();
      this.destroy();
      listener.onBroken(error);
    };
    this.#decoder = new ResponseDecoder({
      onHead: (head) => listener.onHead(head),
      onBody: (bytes) => listener.onBody(bytes),
      onEnd(isReusable) {
        finish();
        listener.onEnd(isReusable);
      },
    });
    signal.addEventListener("abort", onAbort, { once: true });
    // neither fires for what has happened already
    if (signal.aborted) onAbort();
    else if (this.#socket.destroyed) this.#stop(closed());
    if (this.#socket.destroyed) return;
    this.#socket.setTimeout(0);
    this.#socket.ref();
    this.#socket.write(request);
    this.#socket.resume();
  }

  /** Reads no more for now, but for the little that is on its way already. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#socket.resume();
  }

  /** Closes it if it is idle for so long; an idle connection keeps no process from ending. */
  idle(timeoutMs: number): void {
    this.#socket.unref();
    this.#socket.setTimeout(timeoutMs);
    // else nobody would notice that the other side closes it
    this.#socket.resume();
  }

  /** Closes it at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #onBytes(bytes: Uint8Array): void {
    try {
      // without a request nothing may come
      if (this.#decoder === undefined) this.destroy();
      else this.#decoder.decode(bytes);
    } catch (error) {
      this.#stop?.(error);
      // also when the answer had ended already, and more came behind it
      this.destroy();
    }
  }
}

function closed(): Error {
  return new Error("the connection was closed");
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
