/** The way to one containerd: gRPC over its unix socket, in one namespace (containerd's pkg/namespaces/grpc.go). */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type CallOptions as ConnectOptions, type Transport } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";
import type { Http2Session } from "node:http2";
import { connect } from "node:net";

import type { LeasedCallOptions } from "./call-options.ts";
import { canceled, toContainerdError } from "./errors.ts";
import { GrpcStream } from "./grpc-stream.ts";
import {
  CALL_TIMEOUT_MS,
  CONNECTION_WINDOW_BYTES,
  SESSION_MEMORY_MB,
  STREAM_WINDOW_BYTES,
} from "./limits.ts";
import { createTransport } from "./transport.ts";

/** What a connection needs. */
export interface ConnectionOptions {
  /** Path of containerd's socket. */
  readonly socket: string;
  /** Namespace of every call, for Kubernetes "k8s.io". */
  readonly namespace: string;
  /** Milliseconds that a unary call may take when its caller does not say. Default: 30 s. */
  readonly callTimeoutMs?: number | undefined;
}

/** The host in the URLs of calls: there is one at the end of the socket, whatever its name. */
const AUTHORITY = "http://localhost";
const NAMESPACE_HEADER = "containerd-namespace";
const LEASE_HEADER = "containerd-lease";

/**
 * Two HTTP/2 connections, opened at the first call and again after containerd has gone away: one for unary calls, and
 * one for streams, so that a short question never waits behind blobs.
 */
export class Connection {
  readonly socket: string;
  readonly namespace: string;
  /** For createClient; give it the options that run and iterate make. */
  readonly transport: Transport;
  readonly #callTimeoutMs: number;
  readonly #calls: Http2SessionManager;
  readonly #streams: Http2SessionManager;
  readonly #widened = new WeakSet<Http2Session>();
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.socket = options.socket;
    this.namespace = options.namespace;
    this.#callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
    this.#calls = sessions(this.socket);
    this.#streams = sessions(this.socket);
    this.transport = createTransport((method, headers) => this.#open(this.#calls, method, headers));
  }

  /**
   * Makes a unary call with the caller's options.
   * @param defaultTimeoutMs when the caller names none; 0 means none
   * @throws ConnectError as toContainerdError makes them
   */
  async run<T>(
    options: LeasedCallOptions,
    call: (options: ConnectOptions) => Promise<T>,
    defaultTimeoutMs = this.#callTimeoutMs,
  ): Promise<T> {
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    this.#assertOpen(signal);
    try {
      return await call({
        ...this.#callOptions(options),
        timeoutMs,
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      throw toContainerdError(error, this.socket, signal);
    }
  }

  /** Makes a call that answers with a stream; leaving the loop ends the call, which connect's own iterators do not. */
  async *iterate<T>(
    options: LeasedCallOptions,
    call: (options: ConnectOptions) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    const { signal } = options;
    this.#assertOpen(signal);
    const stop = new AbortController();
    const signals = signal === undefined ? [stop.signal] : [signal, stop.signal];
    try {
      yield* call({ ...this.#callOptions(options), signal: AbortSignal.any(signals) });
    } catch (error) {
      throw toContainerdError(error, this.socket, signal);
    } finally {
      stop.abort();
    }
  }

  /**
   * Opens a call that streams blobs. The signal ends the opening only; who gets the stream cancels it.
   * @throws ConnectError unavailable when containerd cannot be reached
   */
  async openStream(method: DescMethod, options: LeasedCallOptions): Promise<GrpcStream> {
    const { signal } = options;
    this.#assertOpen(signal);
    try {
      const opened = await this.#open(this.#streams, method, this.#callOptions(options).headers);
      if (signal?.aborted === true) opened.cancel(canceled(signal));
      return opened;
    } catch (error) {
      throw toContainerdError(error, this.socket, signal);
    }
  }

  /** Ends all calls and refuses new ones. */
  close(): void {
    this.#closed = true;
    this.#calls.abort();
    this.#streams.abort();
  }

  async #open(
    manager: Http2SessionManager,
    method: DescMethod,
    headers: Readonly<Record<string, string>>,
  ): Promise<GrpcStream> {
    const path = `/${method.parent.typeName}/${method.name}`;
    const all = { "content-type": "application/grpc", te: "trailers", ...headers };
    const stream = await manager.request("POST", path, all, {});
    this.#widen(stream.session);
    return new GrpcStream(stream, this.socket);
  }

  #callOptions({ lease }: LeasedCallOptions): { readonly headers: Record<string, string> } {
    const headers = { [NAMESPACE_HEADER]: this.namespace };
    return { headers: lease === undefined ? headers : { ...headers, [LEASE_HEADER]: lease } };
  }

  /** Node announces 64 KiB for a new connection, whatever its streams' windows are. */
  #widen(session: Http2Session | undefined): void {
    if (session === undefined || this.#widened.has(session)) return;
    this.#widened.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  }

  #assertOpen(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) throw canceled(signal);
    if (this.#closed)
      throw new ConnectError(`the connection to containerd at ${this.socket} is closed`, Code.Unavailable);
  }
}

function sessions(socket: string): Http2SessionManager {
  return new Http2SessionManager(AUTHORITY, undefined, {
    createConnection: () => connect(socket),
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    maxSessionMemory: SESSION_MEMORY_MB,
  });
}
