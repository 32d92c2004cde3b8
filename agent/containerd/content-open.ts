/** Starting and resuming ingests. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import {
  Content,
  WriteAction,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
} from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import type { Connection } from "./connection.ts";
import { IngestWriter } from "./content-writer.ts";
import { canceled, connectionLost, isAlreadyExists, toContainerdError } from "./errors.ts";
import { STREAM_TIMEOUT_MS } from "./limits.ts";
import type { OpenWriterOptions, OpenWriterResult } from "./types.ts";

/**
 * Opens the ingest `ref` for writing, new or where it ended. Its offset is the blob's size at once when another
 * namespace has the blob: then it only needs a commit. With a lease the ingest, and later the blob, is in the lease.
 * @throws ConnectError unavailable (isLocked) when another writer has the ref, not_found when the lease is gone
 */
export async function openWriter(
  connection: Connection,
  options: OpenWriterOptions,
): Promise<OpenWriterResult> {
  const { ref, digest, size, maxMessageBytes, signal } = options;
  const stream = await connection.openStream(Content.method.write, options);
  const onAbort = (): void => {
    if (signal !== undefined) stream.cancel(canceled(signal));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const request = { action: WriteAction.STAT, ref, total: BigInt(size), expected: digest };
    stream.send(toBinary(WriteContentRequestSchema, create(WriteContentRequestSchema, request)));
    const message = await stream.receive(options.timeoutMs ?? STREAM_TIMEOUT_MS);
    if (message === undefined) throw connectionLost(connection.socket);
    const offset = Number(fromBinary(WriteContentResponseSchema, message).offset);
    const onExists = (): Promise<void> => leaseExisting(connection, options);
    const { socket } = connection;
    const ingest = { stream, socket, offset, size, maxMessageBytes, signal, onExists };
    return { kind: "open", writer: new IngestWriter(ingest) };
  } catch (error) {
    stream.cancel(ConnectError.from(error));
    // containerd has put the blob into the lease before it says so (metadata/content.go, Writer)
    if (isAlreadyExists(error)) return { kind: "exists" };
    throw toContainerdError(error, connection.socket, signal);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Puts a blob into the lease that somebody else has committed while we wrote: containerd looks for it before it commits,
 * and leaves the lease alone when it finds it.
 */
async function leaseExisting(connection: Connection, options: OpenWriterOptions): Promise<void> {
  if (options.lease === undefined) return;
  const again = await openWriter(connection, options);
  if (again.kind === "exists") return;
  await again.writer.close();
  const message = `${options.digest} was there at commit and is gone now, write it again`;
  throw new ConnectError(message, Code.Unavailable);
}
