import http from "node:http";
import http2 from "node:http2";
import type { Logger } from "../../lib/log.ts";
import { KeptConnections } from "./kept-connections.ts";
import type { RpcLimits } from "./limits.ts";
import type { NodeRequest, NodeResponse } from "./response.ts";

/** A server of each HTTP version that gets its sockets from someone else: neither listens. */
export interface HttpServers {
  /** hands over a socket whose next bytes are HTTP/1.1 or the HTTP/2 preface */
  accept(protocol: "http1" | "http2", socket: NodeJS.Socket): void;
  /** tells every connection to take no new request and closes those that are idle; call again to close newly idle ones */
  drain(): void;
  /** has connections open now finish what they do and then close, so that their clients come anew */
  retire(): void;
}

/**
 * Makes the two HTTP servers behind the RPC port.
 *
 * @param onRequest serves a request of either version
 */
export function createHttpServers(
  onRequest: (req: NodeRequest, res: NodeResponse) => void,
  limits: RpcLimits,
  logger: Logger,
): HttpServers {
  const http1 = createHttp1Server(limits);
  const h2 = createHttp2Server(limits);
  const sessions = new Set<http2.ServerHttp2Session>();
  const kept = new KeptConnections();
  let draining = false;

  http1.on("connection", (socket) => kept.add(socket));
  http1.on("request", (req, res) => {
    // After its last response a kept connection is idle, and only then can it be closed.
    res.once("close", () => setImmediate(closeIdleIfDraining));
    kept.watch(req, res);
    onRequest(req, res);
  });
  h2.on("request", onRequest);
  h2.on("session", (session) => {
    session.setLocalWindowSize(limits.windowBytes);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (draining) session.close();
  });
  h2.on("sessionError", (error) => logger.debug("http/2 connection broke off", { error: error.message }));

  function closeIdleIfDraining(): void {
    if (draining) http1.closeIdleConnections();
  }

  return {
    accept(protocol, socket) {
      (protocol === "http1" ? http1 : h2).emit("connection", socket);
    },
    drain() {
      draining = true;
      // close() also ends the bookkeeping; that it was not listening is what its callback would say.
      http1.close();
      for (const session of sessions) session.close();
    },
    retire() {
      kept.retire();
      for (const session of sessions) session.close();
    },
  };
}

function createHttp1Server(limits: RpcLimits): http.Server {
  const server = http.createServer({
    // Uploads and streams last as long as they last; only the headers are on the clock.
    requestTimeout: 0,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.ceil(limits.headersMs / 4),
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.maxHeaderBytes,
  });
  // A server watches the header timeout and knows its idle connections only from this event on, which it would send
  // itself if it had the port.
  server.emit("listening");
  return server;
}

function createHttp2Server(limits: RpcLimits): http2.Http2Server {
  return http2.createServer({
    maxSessionMemory: limits.maxSessionMemoryMb,
    settings: {
      initialWindowSize: limits.windowBytes,
      maxConcurrentStreams: limits.maxStreamsPerSession,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
  });
}
