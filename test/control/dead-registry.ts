import { once } from "node:events";
import { createServer } from "node:http";

import type { Cleanup } from "../harness/cleanup.ts";

/** A registry on this machine that serves nothing. */
export interface DeadRegistry {
  /** "127.0.0.1:port": containerd speaks plain HTTP to it */
  readonly host: string;
  /** what it answers to everything from now on: 503 at first, 401 refuses whoever asks */
  answer(status: number): void;
}

/** Starts a registry that answers with nothing but errors; it ends with the cleanup. */
export async function startDeadRegistry(cleanup: Cleanup): Promise<DeadRegistry> {
  let status = 503;
  const server = createServer((_request, response) => {
    response.writeHead(status, status === 401 ? { "www-authenticate": 'Basic realm="test"' } : {}).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add({
    name: "close the dead registry",
    undo: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the registry has no port");
  return {
    host: `127.0.0.1:${address.port}`,
    answer(next) {
      status = next;
    },
  };
}
