import { once } from "node:events";
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttps } from "node:https";
import type { Socket } from "node:net";

/** What a listener works with. */
export interface ListenerOptions {
  readonly host: string;
  /** PEM; undefined for plain HTTP */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
}

/** A port that can be closed and opened again. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #accepted = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://${this.#options.host}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get accepted(): number {
    return this.#accepted;
  }

  async open(): Promise<void> {
    const { tls, handle, host } = this.#options;
    const server = tls === undefined ? createHttp(handle) : createHttps({ ...tls }, handle);
    // watches last
    server.requestTimeout = 0;
    server.keepAliveTimeout = 60_000;
    server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
      this.#accepted += 1;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      // a client that went away in the middle
      socket.on("error", () => socket.destroy());
    });
    server.listen(this.#port, host);
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error(`no port on ${host}`);
    this.#port = address.port;
    this.#server = server;
  }

  /** Stops listening and cuts every connection off. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
