import { setTimeout as sleep } from "node:timers/promises";

import { asJson, asText, isJson, type Json } from "./json.ts";
import type { ApiServer } from "./types.ts";

/** An answer to a plain request. */
export interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly text: string;
  readonly headers: Headers;
}

/** Asks a server as curl would, so that its tests need no client of ours. */
export async function ask(
  server: Pick<ApiServer, "url" | "token">,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token}`, "content-type": type, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, body: parse(text) };
}

/** A watch whose lines are collected as they come. */
export interface OpenWatch {
  readonly status: number;
  readonly events: readonly Json[];
  /** "ADDED name" and so on */
  readonly seen: () => readonly string[];
  readonly ended: () => boolean;
  stop(): void;
}

/** Begins a watch. */
export async function openWatch(server: Pick<ApiServer, "url" | "token">, path: string): Promise<OpenWatch> {
  const stop = new AbortController();
  const response = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${server.token}` },
    signal: stop.signal,
  });
  const events: Json[] = [];
  let isEnded = false;
  async function read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) {
      rest += decoder.decode(piece, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      events.push(...lines.map(parse));
    }
  }
  void read()
    .catch(() => undefined)
    .finally(() => {
      isEnded = true;
    });
  return {
    status: response.status,
    events,
    seen: () =>
      events.map(({ type, object }) =>
        `${String(type)} ${asText(asJson(asJson(object)["metadata"])["name"])}`.trim(),
      ),
    ended: () => isEnded,
    stop: () => stop.abort(),
  };
}

/** Waits in real time until something is so. */
export async function eventually(what: string, check: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!check()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(5);
  }
}

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : {};
  } catch {
    return {};
  }
}
