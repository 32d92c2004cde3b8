import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { listen } from "../../lib/listen.ts";
import type { Logger } from "../../lib/log.ts";
import { serverTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { createRpcListener } from "./adapter.ts";
import { createHttpServers } from "./http-servers.ts";
import { RPC_LIMITS, type RpcLimits } from "./limits.ts";
import type { NodeRequest, NodeResponse } from "./response.ts";
import { sniffProtocol } from "./sniff.ts";
import { SocketTracker } from "./socket-tracker.ts";

/** What the RPC port serves and how. */
export interface RpcServerOptions {
  readonly host: string;
  /** 0 takes any free port */
  readonly port: number;
  /** certificate, key and the CA that client certificates must come from; absent only with `insecure` */
  readonly tls?: TlsMaterial;
  /** serve plaintext to whoever connects */
  readonly insecure: boolean;
  readonly routes: (router: ConnectRouter) => void;
  /** answers every request whose path is no RPC */
  readonly fallback: (req: NodeRequest, res: NodeResponse) => void;
  /** the first of the list is the outermost */
  readonly interceptors: readonly Interceptor[];
  /** what interceptors and handlers are told about the caller */
  readonly contextValues: (req: NodeRequest) => ContextValues;
  readonly logger: Logger;
  /** ends every running call when it aborts, without waiting for a grace */
  readonly shutdownSignal: AbortSignal;
  /** default: RPC_LIMITS */
  readonly limits?: RpcLimits;
  /** told of pieces of answers that the operating system has: their memory may be used again */
  readonly onSent?: (bytes: Uint8Array) => void;
}

/** A running RPC port. */
export interface RpcServer {
  readonly port: number;
  /** the IP address that it listens on */
  readonly address: string;
  /** connections that are open now */
  connections(): number;
  /**
   * Uses another certificate, key and CA for connections from now on. Running ones stay; when the CA has changed they
   * close once what runs on them has ended.
   *
   * @throws Error when the material does not parse or the server is plaintext; the old material stays in use
   */
  updateTls(material: TlsMaterial): void;
  /**
   * Stops: no new connections or requests, running calls have `graceMs` to finish, then they are aborted (unavailable)
   * and the connections destroyed. Resolves when the port and every connection are closed.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/**
 * Serves Connect, gRPC, gRPC-Web and plain HTTP, over HTTP/1.1 and HTTP/2, on one port.
 *
 * With TLS (1.3 only) the version of HTTP comes from ALPN and a client needs a certificate from the CA; without, from
 * the first bytes of a connection.
 *
 * @throws Error when the port cannot be had, or when neither or both of `tls` and `insecure` are given
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  if ((options.tls === undefined) !== options.insecure) {
    throw new Error("cannot start the rpc server: it needs either tls material or --insecure, and not both");
  }
  const limits = options.limits ?? RPC_LIMITS;
  const stop = new AbortController();
  const state = { draining: false };
  const http = createHttpServers(
    createRpcListener({
      ...options,
      limits,
      draining: () => state.draining,
      shutdownSignal: AbortSignal.any([stop.signal, options.shutdownSignal]),
    }),
    limits,
    options.logger,
  );
  const sockets = new SocketTracker();
  const hand: HandOver = (protocol, socket) => {
    sockets.decided(socket);
    http.accept(protocol, socket);
  };
  const acceptor =
    options.tls === undefined
      ? acceptPlaintext(hand, limits)
      : acceptTls(hand, limits, options.tls, options.logger);
  acceptor.prependListener("connection", (socket: net.Socket) => sockets.add(socket));
  acceptor.maxConnections = limits.maxConnections;
  const { host: address, port } = await listen(acceptor, options, { serves: "RPC", flag: "--grpc-port" });
  acceptor.on("error", (error) =>
    options.logger.warn("cannot accept a connection", { error: error.message }),
  );

  let trustedCa = options.tls?.ca;
  let closing: Promise<void> | undefined;
  return {
    port,
    address,
    connections: () => sockets.size,
    updateTls(material) {
      if (!(acceptor instanceof tls.Server))
        throw new Error("cannot update the certificate: the server has no tls");
      acceptor.setSecureContext(serverTlsOptions(material));
      // whoever came in under a CA that is trusted no more must not stay for good
      if (material.ca !== trustedCa) http.retire();
      trustedCa = material.ca;
    },
    close({ graceMs }) {
      closing ??= closeGracefully(graceMs);
      return closing;
    },
  };

  async function closeGracefully(graceMs: number): Promise<void> {
    state.draining = true;
    const closed = once(acceptor, "close");
    acceptor.close();
    sockets.destroyUndecided();
    http.drain();
    await within(closed, graceMs);
    stop.abort(new ConnectError("the agent is shutting down", Code.Unavailable));
    await within(closed, limits.flushMs);
    sockets.destroyAll();
    await Promise.all([closed, sockets.allClosed()]);
  }
}

/** Takes a connection whose protocol is known. */
type HandOver = (protocol: "http1" | "http2", socket: net.Socket) => void;

/** Connections without TLS: what they speak shows in their first bytes. */
function acceptPlaintext(hand: HandOver, limits: RpcLimits): net.Server {
  return net.createServer(socketOptions(limits), (socket) => {
    sniffProtocol(socket, {
      timeoutMs: limits.sniffMs,
      onProtocol: (protocol) => hand(protocol, socket),
    });
  });
}

/** Connections with TLS: the handshake tells what they speak and who they are. */
function acceptTls(hand: HandOver, limits: RpcLimits, material: TlsMaterial, logger: Logger): tls.Server {
  const server = tls.createServer({
    ...socketOptions(limits),
    ...serverTlsOptions(material),
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.handshakeMs,
  });
  server.on("secureConnection", (socket) => {
    hand(socket.alpnProtocol === "h2" ? "http2" : "http1", socket);
  });
  server.on("tlsClientError", (error, socket) => {
    // a code such as CERT_HAS_EXPIRED, whatever its declared type; such a client is told nothing but that we hung up
    const refused = Boolean(socket.authorizationError);
    if (refused) logger.warn("client certificate refused", { reason: String(socket.authorizationError) });
    else logger.debug("tls connection refused", { peer: socket.remoteAddress, error: error.message });
  });
  return server;
}

function socketOptions(limits: RpcLimits): net.ServerOpts {
  return { noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.tcpKeepAliveMs };
}

/** Waits for `done`, but no longer than `ms`. */
async function within(done: Promise<unknown>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([done, late]);
  clearTimeout(timer);
}
