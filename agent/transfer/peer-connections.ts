import type { ConnectionOptions } from "node:tls";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { KEPT_CONNECTION_MS, KEPT_CONNECTIONS } from "../limits.ts";
import { HttpConnection, type DialOptions } from "./http-connection.ts";

/**
 * Keeps connections to other agents between blobs, so that an image of many small layers does not pay a handshake for
 * each. A new certificate means new connections.
 */
export class PeerConnections {
  readonly #tls: () => ConnectionOptions | undefined;
  /** what those that are kept were dialled with */
  #options: ConnectionOptions | undefined;
  readonly #idle = new Map<string, HttpConnection[]>();
  readonly #dialledWith = new WeakMap<HttpConnection, ConnectionOptions>();

  /** @param tls how to dial now: another object means another certificate; undefined for plaintext */
  constructor(tls: () => ConnectionOptions | undefined) {
    this.#tls = tls;
  }

  /** A connection that was kept, if there is one; the other side may have closed it just now. */
  take(endpoint: string): HttpConnection | undefined {
    this.#renew();
    for (;;) {
      const connection = this.#idle.get(endpoint)?.pop();
      if (connection === undefined) this.#idle.delete(endpoint);
      if (connection === undefined || connection.isOpen) return connection;
    }
  }

  /** Makes a connection; errors are those of HttpConnection.open. */
  async dial(options: Omit<DialOptions, "tls">): Promise<HttpConnection> {
    const tls = this.#tls();
    const connection = await HttpConnection.open({ ...options, tls });
    if (tls !== undefined) this.#dialledWith.set(connection, tls);
    return connection;
  }

  /** Takes a connection back after its exchange; it is closed when it is not needed. */
  keep(endpoint: string, connection: HttpConnection): void {
    this.#renew();
    const idle = this.#idle.get(endpoint) ?? [];
    const isCurrent = this.#dialledWith.get(connection) === this.#options;
    if (!isCurrent || !connection.isOpen || idle.length >= KEPT_CONNECTIONS) {
      connection.destroy();
      return;
    }
    connection.idle(KEPT_CONNECTION_MS);
    idle.push(connection);
    this.#idle.set(endpoint, idle);
  }

  /** Closes all that are kept. */
  close(): void {
    for (const connection of [...this.#idle.values()].flat()) connection.destroy();
    this.#idle.clear();
  }

  #renew(): void {
    const options = this.#tls();
    if (options === this.#options) return;
    this.#options = options;
    this.close();
  }
}

/** How to dial agents: the same object as long as the material is the same. */
export function agentDialOptions(tls: () => TlsMaterial | undefined): () => ConnectionOptions | undefined {
  const known = new WeakMap<TlsMaterial, ConnectionOptions>();
  return () => {
    const material = tls();
    if (material === undefined) return undefined;
    const options = known.get(material) ?? clientTlsOptions(material, ROLES.agent);
    known.set(material, options);
    return options;
  };
}
