import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { TLSSocket } from "node:tls";

import { getRequestListener, type HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";

import type { HostPort } from "../lib/flag-types.ts";
import { formatHostPort } from "../lib/flag-values.ts";
import { listen } from "../lib/listen.ts";
import { RoleError, ROLES } from "../lib/roles.ts";
import { roleOfPeer } from "../lib/tls.ts";
import type { ServerTls } from "./server-tls.ts";

/** Bounds of the server: times in milliseconds, sizes in bytes. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 2_000;

/** A running server. */
export interface RelayServer {
  /** where it listens, as "host:port" */
  readonly address: string;
  readonly port: number;
  /** Shows another certificate from now on. */
  updateTls(material: ServerTls): void;
  /** Takes no new connection, ends idle ones, and after so many milliseconds the rest. */
  close(graceMs: number): Promise<void>;
}

/** What is served, and where: port 0 takes any, host "" every address. */
export interface RelayServerOptions {
  readonly listen: HostPort;
  readonly app: Hono;
  /** undefined: plain HTTP */
  readonly tls: ServerTls | undefined;
}

/**
 * Serves the app over HTTP/1.1 on Node.
 * @throws Error naming address and reason when it cannot listen
 */
export async function startRelayServer(options: RelayServerOptions): Promise<RelayServer> {
  const { app, tls } = options;
  const listener = getRequestListener(app.fetch);
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const onRequest = (...[request, response]: Parameters<typeof listener>): void => {
    void listener(request, response);
  };
  const secure =
    tls === undefined ? undefined : createTlsServer({ ...limits, ...tlsOptions(tls) }, onRequest);
  const server: Server | TlsServer = secure ?? createServer(limits, onRequest);
  server.maxConnections = MAX_CONNECTIONS;
  const bound = await listen(server, options.listen, { serves: "events and the page", flag: "--listen" });
  return {
    address: formatHostPort(bound),
    port: bound.port,
    updateTls: (material) => secure?.setSecureContext(tlsOptions(material)),
    async close(graceMs) {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/**
 * Why a client may not post events: it shows no certificate of our CA with the role of the controller; "" when it does.
 */
export function refuseUnlessController(context: Context<{ Bindings: HttpBindings }>): string {
  const { socket } = context.env.incoming;
  if (!(socket instanceof TLSSocket)) return "a client certificate is required, this connection has no TLS";
  try {
    const role = roleOfPeer(socket);
    return role === ROLES.controller ? "" : `the client is ${role}, must be ${ROLES.controller}`;
  } catch (error) {
    if (error instanceof RoleError)
      return `a client certificate with the role ${ROLES.controller} is required: ${error.message}`;
    throw error;
  }
}

/** The address that a request comes from; "" when its connection is gone. */
export function peerOf(context: Context<{ Bindings: HttpBindings }>): string {
  return context.env.incoming.socket.remoteAddress ?? "";
}

/** Who shows no certificate is let in: tokens decide, and for events perhaps {@link refuseUnlessController}. */
function tlsOptions(material: ServerTls): ServerTls & {
  readonly minVersion: "TLSv1.3";
  readonly requestCert: boolean;
  readonly rejectUnauthorized: false;
} {
  return {
    ...material,
    minVersion: "TLSv1.3",
    requestCert: material.ca !== undefined,
    rejectUnauthorized: false,
  };
}
