import type { ServerResponse } from "node:http";

import type { Page } from "./lists.ts";
import type { Refusal } from "./status.ts";

/** Sends an object as JSON. */
export function send(
  response: ServerResponse,
  status: number,
  object: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(object);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-cache, private",
    ...headers,
  });
  response.end(body);
}

/** Sends a list item by item: all pods of a large cluster make no string. */
export function sendPage(response: ServerResponse, { head, items }: Page): void {
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  const begin = JSON.stringify(head);
  response.write(`${begin.slice(0, -1)},"items":[`);
  let batch: string[] = [];
  items.forEach((item, at) => {
    batch.push(at === 0 ? "" : ",", JSON.stringify(item));
    if (batch.length >= BATCH) {
      response.write(batch.join(""));
      batch = [];
    }
  });
  response.end(`${batch.join("")}]}`);
}

/** pieces of text that are written together */
const BATCH = 200;

/** Sends a refusal: 429 as plain text, as the filters in front of the real server's handlers do, else a Status. */
export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { code, retryAfterSeconds } = refusal;
  const headers = {
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
  };
  if (code === 429) {
    response.writeHead(429, { "content-type": "text/plain; charset=utf-8", ...headers });
    response.end("Too many requests, please try again later.\n");
  } else send(response, code, refusal.status(), headers);
}
