import type { IncomingMessage } from "node:http";

import { Code, ConnectError } from "@connectrpc/connect";

import type { ExportBlobResponse } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { BlobDecoder } from "./blob-decoder.ts";
import type { BlobMessage } from "./peer.ts";

/** Bytes that may arrive ahead of whoever reads them. */
const READ_AHEAD_BYTES = 4 * 1024 * 1024;

/**
 * Yields the messages of an ExportBlob answer as they arrive: the size first, then the data.
 *
 * @param idleTimeoutMs longest silence while a message is waited for; a slow reader is no silence
 * @throws ConnectError the server's; deadline_exceeded after a silence; unavailable when the answer breaks off
 */
export async function* readBlobMessages(
  response: IncomingMessage,
  idleTimeoutMs: number,
): AsyncGenerator<BlobMessage, void, undefined> {
  const decoder = new BlobDecoder();
  const waiting: ExportBlobResponse[] = [];
  let waitingBytes = 0;
  let failure: unknown;
  let closed = false;
  let heard = 0;
  let wake: (() => void) | undefined;
  response.on("data", onData);
  response.on("error", onError);
  response.on("end", onClose);
  response.on("close", onClose);
  try {
    let sized = false;
    for (;;) {
      const message = waiting.shift() ?? (await nextMessage());
      if (message === undefined) return;
      waitingBytes -= message.data.byteLength;
      if (waitingBytes < READ_AHEAD_BYTES / 2 && response.isPaused()) response.resume();
      if (!sized) yield { size: sizeOf(message) };
      // else one that sends nothing for ever would never fall silent
      else if (message.data.byteLength === 0) throw new ConnectError("an empty message", Code.Internal);
      sized = true;
      if (message.data.byteLength > 0) yield { data: message.data };
    }
  } finally {
    response.off("data", onData);
    response.off("end", onClose);
    response.off("close", onClose);
    // An error may still come when the connection breaks; without a listener it would end the process.
  }

  /** Undefined at the proper end of the stream. */
  async function nextMessage(): Promise<ExportBlobResponse | undefined> {
    for (;;) {
      const message = waiting.shift();
      if (message !== undefined) return message;
      if (failure !== undefined) throw failure;
      if (closed) {
        if (decoder.ended) return undefined;
        throw new ConnectError("the stream broke off", Code.Unavailable);
      }
      await somethingNew();
    }
  }

  async function somethingNew(): Promise<void> {
    const before = heard;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, idleTimeoutMs);
    });
    clearTimeout(timer);
    wake = undefined;
    if (heard !== before) return;
    throw new ConnectError(`nothing received for ${idleTimeoutMs / 1000} s`, Code.DeadlineExceeded);
  }

  function onData(chunk: Uint8Array): void {
    try {
      for (const message of decoder.decode(chunk)) {
        waiting.push(message);
        waitingBytes += message.data.byteLength;
      }
      if (waitingBytes >= READ_AHEAD_BYTES) response.pause();
    } catch (error) {
      failure ??= error;
    }
    notify();
  }

  function onError(error: Error): void {
    failure ??= error;
    notify();
  }

  function onClose(): void {
    closed = true;
    notify();
  }

  function notify(): void {
    heard++;
    wake?.();
  }
}

/** The size of the blob, in the first message of the stream. */
function sizeOf(message: ExportBlobResponse): number {
  const size = Number(message.size);
  if (size >= 0 && Number.isSafeInteger(size)) return size;
  throw new ConnectError(`the stream began with the impossible size ${message.size}`, Code.Internal);
}
