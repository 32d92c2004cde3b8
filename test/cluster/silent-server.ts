/** A program: listens on TCP and UDP of ADDRESS PORT..., takes whatever comes and never answers. */

import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import process from "node:process";

const [address = "", ...ports] = process.argv.slice(2);
for (const port of ports.map(Number)) {
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume();
  }).listen(port, address);
  createSocket("udp4").bind(port, address);
}
