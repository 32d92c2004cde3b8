import { once } from "node:events";
import type { Socket } from "node:net";

/** The open TCP connections of a server, so that it can close them. */
export class SocketTracker {
  readonly #open = new Set<Socket>();
  /**
   * Connections that have not yet shown their protocol, by their peer's address: a TLS socket does not tell on which TCP
   * socket it runs, but both have the same peer.
   */
  readonly #undecided = new Map<string, Socket>();

  /** Connections open now. */
  get size(): number {
    return this.#open.size;
  }

  /** Follows a TCP connection that was accepted just now. */
  add(socket: Socket): void {
    const peer = peerOf(socket);
    this.#open.add(socket);
    this.#undecided.set(peer, socket);
    // A connection may break at any time; whoever works with it learns of that from its own listeners.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#undecided.get(peer) === socket) this.#undecided.delete(peer);
    });
  }

  /** Notes that the protocol of a connection, TCP or TLS, is known. */
  decided(socket: Socket): void {
    this.#undecided.delete(peerOf(socket));
  }

  /** Closes connections that nothing was asked of so far. */
  destroyUndecided(): void {
    for (const socket of this.#undecided.values()) socket.destroy();
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Resolves when every connection that is open now has closed. */
  async allClosed(): Promise<void> {
    await Promise.all([...this.#open].map((socket) => once(socket, "close")));
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
