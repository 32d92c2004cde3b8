/** Limits of the agent's RPC port. Sizes are bytes, times are milliseconds. */
export interface RpcLimits {
  /** largest request message, and largest answer that our own clients read */
  readonly maxMessageBytes: number;
  /** largest deadline that a client may ask for */
  readonly maxTimeoutMs: number;
  /** open connections, those still in their handshake included */
  readonly maxConnections: number;
  /** HTTP/2 streams open at a time on one connection */
  readonly maxStreamsPerSession: number;
  /** request headers, both protocols */
  readonly maxHeaderBytes: number;
  /** what a peer may send on one HTTP/2 stream, and on one HTTP/2 connection, before it must wait */
  readonly windowBytes: number;
  /** memory that one HTTP/2 connection may use, in megabytes as node:http2 counts them; must hold the window */
  readonly maxSessionMemoryMb: number;
  /** from accepting a plaintext connection until its first bytes tell the protocol */
  readonly sniffMs: number;
  /** from accepting a TLS connection until the handshake is over */
  readonly handshakeMs: number;
  /** for an HTTP/1.1 client to send its request headers */
  readonly headersMs: number;
  /** how long an idle HTTP/1.1 connection is kept */
  readonly keepAliveMs: number;
  /** silence after which TCP probes whether the peer is still there */
  readonly tcpKeepAliveMs: number;
  /** bytes of one response that may wait for the socket before the handler is asked for more */
  readonly writeAheadBytes: number;
  /** how long a client may leave a response unread before it is cut off */
  readonly writeStallMs: number;
  /** for the rest of a request that was answered early to arrive before its connection is closed */
  readonly lingerMs: number;
  /** after the grace of a shutdown: for handlers to say goodbye before sockets are destroyed */
  readonly flushMs: number;
}

const MIB = 1024 * 1024;

/** The limits that the agent runs with. */
export const RPC_LIMITS: RpcLimits = {
  maxMessageBytes: 4 * MIB,
  maxTimeoutMs: 24 * 60 * 60_000,
  maxConnections: 2048,
  maxStreamsPerSession: 256,
  maxHeaderBytes: 64 * 1024,
  windowBytes: 16 * MIB,
  maxSessionMemoryMb: 128,
  sniffMs: 10_000,
  handshakeMs: 10_000,
  headersMs: 30_000,
  keepAliveMs: 75_000,
  tcpKeepAliveMs: 30_000,
  writeAheadBytes: 2 * MIB,
  writeStallMs: 120_000,
  lingerMs: 1_000,
  flushMs: 500,
};
