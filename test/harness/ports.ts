import { once } from "node:events";
import { createServer, type ListenOptions } from "node:net";

const HOST = "127.0.0.1";

/** Above are NodePorts, and from 32768 on what Linux gives to clients and for port 0 (net.ipv4.ip_local_port_range). */
const LOWEST = 12_000;
const COUNT = 18_000;

/**
 * Finds TCP ports of 127.0.0.1 that nobody listens on now. They are this process's until it ends: this function gives
 * them to no other one, and the kernel does not either, so that what is started may take its time to listen.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === COUNT) throw new Error(`${HOST} has no free port from ${LOWEST} to ${LOWEST + COUNT - 1}`);
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    // an abstract socket: one process has the name, and it goes with the process
    const name = await listen({ path: `\0tote-test-port-${port}` });
    const server = name && (await listen({ port, host: HOST }));
    if (server === undefined) {
      name?.close();
      continue;
    }
    server.close();
    await once(server, "close");
    ports.push(port);
  }
  return ports;
}

/** A server that keeps no process alive, or undefined when the address is taken. */
async function listen(options: ListenOptions) {
  const server = createServer().listen(options);
  try {
    await once(server, "listening");
  } catch {
    return undefined;
  }
  return server.unref();
}
