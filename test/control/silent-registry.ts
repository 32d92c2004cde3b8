import { once } from "node:events";
import { createServer, type Socket } from "node:net";

import type { Cleanup } from "../harness/cleanup.ts";

/** A registry on this machine that accepts connections and never answers. */
export interface SilentRegistry {
  /** "127.0.0.1:port": containerd speaks plain HTTP to it */
  readonly host: string;
  /** connections that were ever taken */
  readonly accepted: number;
}

/** Starts a registry that never answers; it ends with the cleanup. */
export async function startSilentRegistry(cleanup: Cleanup): Promise<SilentRegistry> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add({
    name: "close the silent registry",
    undo: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the registry has no port");
  return {
    host: `127.0.0.1:${address.port}`,
    get accepted() {
      return accepted;
    },
  };
}
