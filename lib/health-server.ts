import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import type { Registry } from "prom-client";

import type { HostPort } from "./flag-types.ts";

/** What the server tells. */
export interface HealthServerOptions extends HostPort {
  readonly registry: Registry;
  /** whether the service can do its work, and why not */
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
}

/** A running server for probes and metrics. */
export interface HealthServer {
  readonly port: number;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/**
 * Serves `/metrics` (Prometheus text), `/healthz` (the process answers) and `/readyz` (503 with the reason while it
 * cannot work) over plain HTTP: the kubelet probes them and has no client certificate.
 * @throws Error naming address and reason when the port cannot be had
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, registry, readiness } = options;
  const server = createServer((request, response) => {
    void handle(request, response, registry, readiness);
  });
  server.listen(port, host === "" ? undefined : host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new Error(`cannot listen on ${host}:${port} for metrics`, { cause });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  registry: Registry,
  readiness: HealthServerOptions["readiness"],
): Promise<void> {
  const [path] = (request.url ?? "/").split("?");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(response, 405, "only GET and HEAD\n");
  } else if (path === "/healthz") {
    send(response, 200, "ok\n");
  } else if (path === "/readyz") {
    const { ready, reason } = readiness();
    send(response, ready ? 200 : 503, ready ? "ok\n" : `not ready: ${reason}\n`);
  } else if (path === "/metrics") {
    try {
      const metrics = await registry.metrics();
      response.setHeader("content-type", registry.contentType);
      response.end(metrics);
    } catch {
      send(response, 500, "metrics cannot be collected\n");
    }
  } else {
    send(response, 404, "try /metrics, /healthz or /readyz\n");
  }
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(text);
}
