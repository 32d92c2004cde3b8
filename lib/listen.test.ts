import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { test, type TestContext } from "node:test";

import { listen } from "./listen.ts";

const WORDS = { serves: "RPC", flag: "--grpc-port" };

function server(t: TestContext): Server {
  const made = createServer((socket) => socket.end());
  t.after(() => made.close());
  return made;
}

test('host "" is every address, of IPv6, too, where the machine has that', async (t) => {
  const { port } = await listen(server(t), { host: "", port: 0 }, WORDS);
  const loopback = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal }) => internal);
  assert.ok(loopback.length > 0);
  for (const { address } of loopback) {
    const socket = connect({ host: address, port });
    await once(socket, "connect");
    socket.destroy();
  }
});

test("a port that is taken is told with its flag", async (t) => {
  const { host, port } = await listen(server(t), { host: "127.0.0.1", port: 0 }, WORDS);
  await assert.rejects(listen(server(t), { host, port }, WORDS), {
    message: `cannot serve RPC on 127.0.0.1:${port}: another process listens there, choose another --grpc-port`,
  });
});
