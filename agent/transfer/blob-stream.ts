import http from "node:http";
import https from "node:https";
import type { ConnectionOptions } from "node:tls";

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-connect";

import { describeError, errorCode } from "../../lib/errors.ts";
import { AgentService, ExportBlobRequestSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS } from "../limits.ts";
import { readBlobMessages } from "./blob-messages.ts";
import type { BlobMessage, BlobRequest } from "./peer.ts";

/** What to read and how. */
export interface BlobStreamOptions extends BlobRequest {
  /** our certificate and whom to trust; absent for http endpoints, and when `agent` has it */
  readonly tls?: ConnectionOptions;
  /** until a connection stands, TLS included, in milliseconds; default CONNECT_TIMEOUT_MS */
  readonly connectTimeoutMs?: number;
  /** longest silence of the other side while we wait for it, in milliseconds; default IDLE_TIMEOUT_MS */
  readonly idleTimeoutMs?: number;
  /**
   * Keeps connections for the next blob; default: a connection for this blob. For https endpoints an https.Agent made
   * with the TLS options: Node closes connections whose `checkServerIdentity` came with the request.
   */
  readonly agent?: http.Agent;
}

const PATH = `/${AgentService.typeName}/${AgentService.method.exportBlob.name}`;
const CONTENT_TYPE = "application/connect+proto";

/**
 * Calls ExportBlob of another agent in the Connect protocol over HTTP/1.1 and yields what arrives: the blob's size, then
 * its bytes from the offset on, each piece in memory of its own.
 *
 * Speaks the protocol itself: a general client copies more, has no connect and idle timeouts, and does not end the call
 * when the loop is left. Leaving the loop closes the stream.
 *
 * @throws ConnectError the other agent's own; unavailable when it cannot be reached, breaks off or is not trusted;
 * deadline_exceeded when it falls silent; canceled when the signal fires
 */
export async function* openBlobStream(
  options: BlobStreamOptions,
): AsyncGenerator<BlobMessage, void, undefined> {
  try {
    if (options.signal.aborted) throw options.signal.reason;
    const response = await openResponse(options);
    try {
      checkHead(response, options.endpoint);
      yield* readBlobMessages(response, options.idleTimeoutMs ?? IDLE_TIMEOUT_MS);
    } finally {
      // Only a response that was read to its end leaves a connection that can be used again.
      if (!response.complete) response.destroy();
    }
  } catch (error) {
    throw toConnectError(error, options);
  }
}

/** Sends the request and waits for the response's head. */
function openResponse(options: BlobStreamOptions): Promise<http.IncomingMessage> {
  return sendRequest(options).catch((error: unknown) => {
    // The other side may close a kept connection at the very moment that it is used again.
    if (error instanceof StaleConnectionError) return sendRequest(options);
    throw error;
  });
}

/** A connection that was kept from an earlier stream was closed before it brought an answer. */
class StaleConnectionError extends Error {
  override readonly name = "StaleConnectionError";
}

async function sendRequest(options: BlobStreamOptions): Promise<http.IncomingMessage> {
  const { endpoint, connectTimeoutMs = CONNECT_TIMEOUT_MS, idleTimeoutMs = IDLE_TIMEOUT_MS } = options;
  const url = new URL(PATH, endpoint);
  const body = requestBody(options);
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const outgoing = (url.protocol === "https:" ? https : http).request(url, {
    ...options.tls,
    agent: options.agent ?? false,
    method: "POST",
    signal: options.signal,
    headers: {
      "content-type": CONTENT_TYPE,
      "connect-protocol-version": "1",
      "content-length": body.byteLength,
    },
  });
  let timer = setTimeout(() => {
    const message = `no connection to ${endpoint} within ${connectTimeoutMs / 1000} s`;
    outgoing.destroy(new ConnectError(message, Code.Unavailable));
  }, connectTimeoutMs);
  let answered = false;
  // Called when the request is with the operating system, so that the connection stands.
  outgoing.end(body, () => {
    clearTimeout(timer);
    if (answered) return;
    timer = setTimeout(() => {
      const message = `${endpoint} has not answered for ${idleTimeoutMs / 1000} s`;
      outgoing.destroy(new ConnectError(message, Code.DeadlineExceeded));
    }, idleTimeoutMs);
  });
  outgoing.on("response", (response) => {
    answered = true;
    resolve(response);
  });
  outgoing.on("error", (error) => {
    const stale = outgoing.reusedSocket && ["ECONNRESET", "EPIPE"].includes(errorCode(error));
    reject(stale ? new StaleConnectionError("a kept connection was closed", { cause: error }) : error);
  });
  return promise.finally(() => clearTimeout(timer));
}

/** The one message of the request, in its envelope. */
function requestBody({ digest, offset, imageDigest, grant }: BlobRequest): Buffer {
  const message = toBinary(
    ExportBlobRequestSchema,
    create(ExportBlobRequestSchema, { digest, offset: BigInt(offset), imageDigest, grant }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

function checkHead(response: http.IncomingMessage, endpoint: string): void {
  const { statusCode = 0, headers } = response;
  if (statusCode !== 200) {
    throw new ConnectError(
      `${endpoint} answered with HTTP status ${statusCode}`,
      codeFromHttpStatus(statusCode),
    );
  }
  const type = headers["content-type"] ?? "none";
  if (type !== CONTENT_TYPE) {
    throw new ConnectError(
      `${endpoint} answered with content type ${type}, not ${CONTENT_TYPE}`,
      Code.Internal,
    );
  }
}

function toConnectError(error: unknown, { endpoint, signal }: BlobRequest): ConnectError {
  if (signal.aborted) return ConnectError.from(signal.reason, Code.Canceled);
  if (error instanceof ConnectError) return error;
  const message = `cannot read from ${endpoint}: ${describeError(error)}`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}
