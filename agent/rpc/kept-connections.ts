import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The HTTP/1.1 connections of a server, so that those of now can be closed without breaking an answer off. */
export class KeptConnections {
  /** each with the answers that it still owes */
  readonly #owed = new Map<Socket, number>();
  readonly #retired = new WeakSet<Socket>();

  /** Follows a connection until it closes. */
  add(socket: Socket): void {
    this.#owed.set(socket, 0);
    socket.once("close", () => this.#owed.delete(socket));
  }

  /** Notes a request; call it before anything is answered. */
  watch({ socket }: IncomingMessage, response: ServerResponse): void {
    if (this.#retired.has(socket)) response.setHeader("connection", "close");
    this.#count(socket, 1);
    response.once("close", () => {
      this.#count(socket, -1);
      if (this.#retired.has(socket)) this.#closeIfIdle(socket);
    });
  }

  /** Closes the connections that are open now, each when it owes no answer. */
  retire(): void {
    for (const socket of this.#owed.keys()) {
      this.#retired.add(socket);
      this.#closeIfIdle(socket);
    }
  }

  #count(socket: Socket, change: 1 | -1): void {
    const owed = this.#owed.get(socket);
    if (owed !== undefined) this.#owed.set(socket, owed + change);
  }

  #closeIfIdle(socket: Socket): void {
    // what was written goes out first
    if (this.#owed.get(socket) === 0) socket.destroySoon();
  }
}
