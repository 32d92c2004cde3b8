import http from "node:http";
import https from "node:https";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";

/** Idle connections kept per source; more would only wait. */
const MAX_FREE_SOCKETS = 4;

/**
 * Keeps connections to other agents between blobs, so that an image of many small layers does not pay a handshake for
 * each. A new certificate means new connections.
 */
export class PeerConnections {
  readonly #tls: () => TlsMaterial | undefined;
  #material: TlsMaterial | undefined;
  #agent: http.Agent | undefined;

  /** @param tls the TLS material as it is now; undefined with --insecure */
  constructor(tls: () => TlsMaterial | undefined) {
    this.#tls = tls;
  }

  /** The pool for the certificate in use. */
  current(): http.Agent {
    const material = this.#tls();
    if (this.#agent === undefined || material !== this.#material) {
      const former = this.#agent;
      const options = { keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS };
      this.#agent =
        material === undefined
          ? new http.Agent(options)
          : new https.Agent({ ...options, ...clientTlsOptions(material, ROLES.agent) });
      this.#material = material;
      // streams that run go on; what was kept for later is closed
      for (const socket of Object.values(former?.freeSockets ?? {}).flat()) socket?.destroy();
    }
    return this.#agent;
  }
}
