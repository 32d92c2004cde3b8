/** A program: listens on UDP and TCP of ADDRESS PORT..., takes whatever comes and never answers. The first TCP port comes last. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";

const [address = "", ...ports] = process.argv.slice(2);
for (const port of ports.map(Number)) {
  const socket = createSocket("udp4").bind(port, address);
  await once(socket, "listening");
}
for (const port of ports.map(Number).toReversed()) {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume();
  });
  await once(server.listen(port, address), "listening");
}
