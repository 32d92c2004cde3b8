/** Reading blobs from the content store. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import {
  Content,
  ReadContentRequestSchema,
  ReadContentResponseSchema,
} from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import type { CallOptions } from "./call-options.ts";
import type { Connection } from "./connection.ts";
import { canceled } from "./errors.ts";
import { STREAM_TIMEOUT_MS } from "./limits.ts";

/** What readBlob needs. */
export interface ReadOptions extends CallOptions {
  /** First byte to read, default 0; the blob's size gives nothing. */
  readonly offset?: number | undefined;
}

/**
 * Reads a blob from `offset` to its end, in chunks of up to 1 MiB that the reader may keep. containerd does not check the
 * bytes: a file that was damaged or cut short gives wrong or fewer bytes and no error.
 * @throws ConnectError not_found, out_of_range when offset is past the end
 */
export async function* readBlob(
  connection: Connection,
  digest: string,
  { offset = 0, signal }: ReadOptions,
): AsyncIterable<Uint8Array> {
  const stream = await connection.openStream(Content.method.read, { signal });
  const onAbort = (): void => {
    if (signal !== undefined) stream.cancel(canceled(signal));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const request = create(ReadContentRequestSchema, { digest, offset: BigInt(offset) });
    stream.send(toBinary(ReadContentRequestSchema, request));
    stream.end();
    for (;;) {
      const message = await stream.receive(STREAM_TIMEOUT_MS);
      if (message === undefined) return;
      const { data } = fromBinary(ReadContentResponseSchema, message);
      if (data.length > 0) yield data;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stream.cancel(new ConnectError("the reader has left", Code.Canceled));
  }
}

/**
 * Reads a small blob in one piece.
 * @throws ConnectError not_found, resource_exhausted when the blob has more than maxBytes
 */
export async function readWholeBlob(
  connection: Connection,
  digest: string,
  { maxBytes, signal }: CallOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of readBlob(connection, digest, { signal })) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new ConnectError(`${digest} has more than the ${maxBytes} bytes allowed`, Code.ResourceExhausted);
    }
    chunks.push(chunk);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}
