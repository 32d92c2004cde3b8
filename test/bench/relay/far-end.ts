/** What arrives, in a process of its own: `node far-end.ts PORT`. It answers at once and keeps nothing on disk. */

import { createServer, type ServerResponse } from "node:http";
import process from "node:process";

import type { Arrivals } from "./far-end-client.ts";

/** First arrival of each `webhook-id` at each path below /hook, on the clock that all processes of a machine share, in milliseconds. */
let arrivals = new Map<string, number>();
/** Answers that are not given until they are asked for. */
let hanging: ServerResponse[] = [];

const server = createServer((request, response) => {
  const { url = "", headers } = request;
  if (request.method === "GET") {
    const answer: Arrivals = url === "/arrivals" ? [...arrivals] : [];
    response.writeHead(200).end(url === "/count" ? String(arrivals.size) : JSON.stringify(answer));
    return;
  }
  request.on("data", () => undefined);
  request.on("end", () => {
    if (url === "/hang") {
      hanging.push(response);
      return;
    }
    const id = `${String(headers["webhook-id"] ?? "")}${url.replace(/^\/hook/, "")}`;
    if (url === "/release") {
      response.writeHead(200).end(String(hanging.length));
      for (const other of hanging) other.writeHead(200).end();
      hanging = [];
      return;
    }
    if (url === "/reset") arrivals = new Map();
    else if (!arrivals.has(id)) arrivals.set(id, Number(process.hrtime.bigint()) / 1e6);
    // what a relay answers, without anything behind it
    response.writeHead(url === "/accept" ? 202 : 200).end('{"id":"","duplicate":false}');
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
