/** What arrives, in a process of its own: `node far-end.ts PORT`. It answers at once and keeps nothing on disk. */

import { createServer } from "node:http";
import process from "node:process";

import type { Arrivals } from "./far-end-client.ts";

/** First arrival of each `webhook-id`, on the clock that all processes of a machine share, in milliseconds. */
let arrivals = new Map<string, number>();

const server = createServer((request, response) => {
  const { url = "", headers } = request;
  if (request.method === "GET") {
    const answer: Arrivals = url === "/arrivals" ? [...arrivals] : [];
    response.writeHead(200).end(url === "/count" ? String(arrivals.size) : JSON.stringify(answer));
    return;
  }
  request.on("data", () => undefined);
  request.on("end", () => {
    const id = String(headers["webhook-id"] ?? "");
    if (url === "/reset") arrivals = new Map();
    else if (!arrivals.has(id)) arrivals.set(id, Number(process.hrtime.bigint()) / 1e6);
    // what a relay answers, without anything behind it
    response.writeHead(url === "/accept" ? 202 : 200).end('{"id":"","duplicate":false}');
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
