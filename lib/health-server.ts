import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { describeError } from "./errors.ts";
import type { HostPort } from "./flag-types.ts";
import { formatHostPort } from "./flag-values.ts";
import { listen } from "./listen.ts";

/** Whether a service can do its work, and why not. */
export interface Readiness {
  readonly ready: boolean;
  /** empty when ready */
  readonly reason: string;
}

/** Where metrics come from: a `Registry` of prom-client. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** What the server tells, and where it listens: port 0 takes any, host "" every address. */
export interface HealthServerOptions extends HostPort {
  readonly registry: MetricsSource;
  readonly readiness: () => Readiness;
  /** the flag that chose the address, for errors; default --metrics-addr */
  readonly flag?: string;
}

/** A running server for probes and metrics. */
export interface HealthServer {
  /** where it listens, as "host:port" */
  readonly address: string;
  readonly port: number;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** Longest time that a client may take to send its request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 5_000;

/** How often that is looked at; by itself Node does every 30 s. */
const REQUEST_CHECK_MS = 1_000;

/** Most connections at once that have no request: probes and a few scrapers. */
const MAX_WAITING = 64;
/** Most connections at once, with those whose request is being answered. */
const MAX_CONNECTIONS = 2 * MAX_WAITING;

/**
 * Serves `/metrics` (Prometheus text), `/healthz` (the process answers) and `/readyz` (503 with the reason while it
 * cannot work) over plain HTTP: the kubelet probes them and has no client certificate.
 * @throws Error naming address and reason when it cannot listen
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
    },
    (request, response) => void answer(request, response, options),
  );
  server.maxConnections = MAX_CONNECTIONS;
  boundWaiting(server);
  const { flag = "--metrics-addr" } = options;
  const { host, port } = await listen(server, options, { serves: "metrics and health", flag });
  return {
    address: formatHostPort({ host, port }),
    port,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Lets go of the connection that has waited longest for a request when there are too many: a newcomer may be a probe. */
function boundWaiting(server: Server): void {
  const waiting = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    waiting.add(socket);
    socket.once("close", () => waiting.delete(socket));
    const [longest] = waiting;
    if (waiting.size > MAX_WAITING) longest?.destroy();
  });
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    waiting.delete(socket);
    response.once("close", () => {
      if (!socket.destroyed) waiting.add(socket);
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HealthServerOptions,
): Promise<void> {
  const [path] = (request.url ?? "/").split("?");
  try {
    if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") {
      send(response, 404, "try /metrics, /healthz or /readyz\n");
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      send(response, 405, "only GET and HEAD\n");
    } else if (path === "/metrics") {
      send(response, 200, await options.registry.metrics(), options.registry.contentType);
    } else if (path === "/readyz") {
      const { ready, reason } = options.readiness();
      send(response, ready ? 200 : 503, ready ? "ok\n" : `not ready: ${reason}\n`);
    } else {
      send(response, 200, "ok\n");
    }
  } catch (error) {
    send(response, 500, `${path} failed: ${describeError(error)}\n`);
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
