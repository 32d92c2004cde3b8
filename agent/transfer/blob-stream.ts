import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { describeError } from "../../lib/errors.ts";
import { AgentService, ExportBlobRequestSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS } from "../limits.ts";
import { BlobReceiver, CONTENT_TYPE } from "./blob-receiver.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { HttpConnection } from "./http-connection.ts";
import type { BlobMessage, BlobRequest } from "./peer.ts";
import type { PeerConnections } from "./peer-connections.ts";

/** What to read and how. */
export interface BlobStreamOptions extends BlobRequest {
  readonly connections: PeerConnections;
  /** memory for the data */
  readonly buffers: BufferPool;
  /** until a connection stands, TLS included, in milliseconds; default CONNECT_TIMEOUT_MS */
  readonly connectTimeoutMs?: number;
  /** longest silence of the other side while we wait for it, in milliseconds; default IDLE_TIMEOUT_MS */
  readonly idleTimeoutMs?: number;
}

const PATH = `/${AgentService.typeName}/${AgentService.method.exportBlob.name}`;

/**
 * Calls ExportBlob of another agent in the Connect protocol over HTTP/1.1 and yields what arrives: the blob's size, then
 * its bytes from the offset on, each piece in memory that is its own until the next one is asked for.
 *
 * Speaks both protocols itself, because this way what arrives is copied once into memory that is used again; a general
 * client takes new memory for it three times over. Leaving the loop closes the stream.
 *
 * @throws ConnectError the other agent's own; unavailable when it cannot be reached, breaks off or is not trusted;
 * deadline_exceeded when it falls silent; canceled when the signal fires
 */
export async function* openBlobStream(
  options: BlobStreamOptions,
): AsyncGenerator<BlobMessage, void, undefined> {
  try {
    options.signal.throwIfAborted();
    const { connection, receiver } = await request(options);
    try {
      yield* receiver.messages(options.idleTimeoutMs ?? IDLE_TIMEOUT_MS);
    } finally {
      if (receiver.isReusable) options.connections.keep(options.endpoint, connection);
      else connection.destroy();
    }
  } catch (error) {
    throw toConnectError(error, options);
  }
}

/** A request that is on its way. */
interface Request {
  readonly connection: HttpConnection;
  readonly receiver: BlobReceiver;
}

async function request(options: BlobStreamOptions): Promise<Request> {
  const { endpoint, signal, connections, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const kept = connections.take(endpoint);
  if (kept !== undefined) {
    const begun = send(kept, options);
    if (await begun.receiver.hasAnswer(connectTimeoutMs)) return begun;
    // closed by the other side at the very moment that it was used again, or the other side is gone
    kept.destroy();
    signal.throwIfAborted();
  }
  return send(await connections.dial({ endpoint, signal, timeoutMs: connectTimeoutMs }), options);
}

function send(connection: HttpConnection, options: BlobStreamOptions): Request {
  const { endpoint, buffers, signal } = options;
  const receiver = new BlobReceiver({ endpoint, connection, buffers });
  connection.exchange(requestBytes(options), receiver, signal);
  return { connection, receiver };
}

/** The request with its one message in its envelope. */
function requestBytes({ endpoint, digest, offset, imageDigest, grant }: BlobRequest): Buffer {
  const message = toBinary(
    ExportBlobRequestSchema,
    create(ExportBlobRequestSchema, { digest, offset: BigInt(offset), imageDigest, grant }),
  );
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(message.byteLength, 1);
  const head = [
    `POST ${PATH} HTTP/1.1`,
    `host: ${new URL(endpoint).host}`,
    `content-type: ${CONTENT_TYPE}`,
    "connect-protocol-version: 1",
    `content-length: ${envelope.byteLength + message.byteLength}`,
    "",
    "",
  ];
  return Buffer.concat([Buffer.from(head.join("\r\n")), envelope, message]);
}

function toConnectError(error: unknown, { endpoint, signal }: BlobRequest): ConnectError {
  if (signal.aborted) return ConnectError.from(signal.reason, Code.Canceled);
  if (error instanceof ConnectError) return error;
  const message = `cannot read from ${endpoint}: ${describeError(error)}`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}
