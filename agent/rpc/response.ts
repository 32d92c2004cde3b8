import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { OutgoingHttpHeaders } from "node:http";
import { constants } from "node:http2";
import { setImmediate } from "node:timers/promises";

import type { RpcLimits } from "./limits.ts";
import { type RawBytes, restoreData } from "./raw-bytes.ts";

/** A request of node:http or of node:http2's compatibility API. */
export type NodeRequest = Parameters<ReturnType<typeof connectNodeAdapter>>[0];
/** The response that belongs to a NodeRequest. */
export type NodeResponse = Parameters<ReturnType<typeof connectNodeAdapter>>[1];

/** The part of the limits that a response needs. */
export type ResponseLimits = Pick<RpcLimits, "writeAheadBytes" | "writeStallMs">;

/**
 * Sends an RPC's answer over HTTP/1.1 or HTTP/2 and resolves when the last byte is handed to the connection.
 *
 * The handler is asked for the next message while up to `writeAheadBytes` still wait for the socket, so that reading a
 * disk and filling a network overlap. When the client goes away, or leaves the response unread for `writeStallMs`, the
 * handler's stream is ended (its `finally` runs) and the promise rejects.
 *
 * @param rawBytes what the interceptor of raw-bytes.ts takes out of the messages
 * @param onSent told of each piece of the answer once the operating system has it: its memory may be used again
 * @throws ConnectError canceled when the client went away or stopped reading; whatever the body throws
 */
export async function writeResponse(
  response: UniversalServerResponse,
  out: NodeResponse,
  rawBytes: RawBytes,
  limits: ResponseLimits,
  onSent: (bytes: Uint8Array) => void = () => undefined,
): Promise<void> {
  const writer = createBodyWriter(out, limits, onSent);
  const body = response.body?.[Symbol.asyncIterator]();
  try {
    // Headers go out after the first message: until then the handler may still set some.
    let chunk = await body?.next();
    out.writeHead(response.status, headersOf(response.header));
    while (chunk !== undefined && chunk.done !== true) {
      await writer.write(restoreData(chunk.value, rawBytes));
      chunk = await body?.next();
    }
    if (response.trailer !== undefined) out.addTrailers(headersOf(response.trailer));
    await writer.end();
  } catch (reason) {
    // Ends the handler's stream; what it throws in turn is the same reason again.
    body?.throw?.(reason).catch(() => undefined);
    abortResponse(out);
    throw reason;
  } finally {
    writer.release();
  }
}

/** Breaks off a response in a way that the client cannot take for its end. */
export function abortResponse(out: NodeResponse): void {
  if ("stream" in out) out.stream.close(constants.NGHTTP2_CANCEL);
  else out.destroy();
}

/** Writes chunks with a bounded backlog and notices a client that is gone or reads nothing. */
interface BodyWriter {
  /** writes the pieces of one message; resolves when the backlog has room again */
  write(pieces: readonly Uint8Array[]): Promise<void>;
  /** resolves when everything is handed to the connection */
  end(): Promise<void>;
  release(): void;
}

/** After so many messages or bytes in a row, other work gets its turn, even if the socket takes everything at once. */
const TURN_MESSAGES = 32;
const TURN_BYTES = 256 * 1024;

function createBodyWriter(
  out: NodeResponse,
  limits: ResponseLimits,
  onSent: (bytes: Uint8Array) => void,
): BodyWriter {
  let backlog = 0;
  let turn = { messages: 0, bytes: 0 };
  let gone: ConnectError | undefined;
  let wake: (() => void) | undefined;
  out.on("close", onClose);
  out.on("error", onClose);
  if (("stream" in out ? out.stream : out).destroyed) onClose();

  function onClose(): void {
    gone ??= new ConnectError("the client is gone", Code.Canceled);
    wake?.();
  }

  /** Waits until `ready`, for at most `writeStallMs` without any change. */
  async function until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      if (gone !== undefined) throw gone;
      if ((await change()) || ready()) continue;
      const waited = `${limits.writeStallMs / 1000} s`;
      throw new ConnectError(`the client has read nothing for ${waited}`, Code.Canceled);
    }
  }

  /** Resolves with true when something was written or ended, with false when nothing was for `writeStallMs`. */
  async function change(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    wake = () => resolve(true);
    const timer = setTimeout(() => resolve(false), limits.writeStallMs);
    const changed = await promise;
    clearTimeout(timer);
    wake = undefined;
    return changed;
  }

  return {
    async write(pieces) {
      if (gone !== undefined) throw gone;
      out.cork();
      for (const piece of pieces) {
        backlog += piece.byteLength;
        turn.bytes += piece.byteLength;
        out.write(piece, (error) => {
          backlog -= piece.byteLength;
          if (error === null || error === undefined) onSent(piece);
          wake?.();
        });
      }
      out.uncork();
      turn.messages += 1;
      if (turn.messages >= TURN_MESSAGES || turn.bytes >= TURN_BYTES) {
        turn = { messages: 0, bytes: 0 };
        await setImmediate();
      }
      if (backlog > limits.writeAheadBytes) await until(() => backlog <= limits.writeAheadBytes);
    },
    async end() {
      if (gone !== undefined) throw gone;
      let finished = false;
      out.once("finish", () => {
        finished = true;
        wake?.();
      });
      out.end();
      await until(() => finished);
    },
    release() {
      out.off("close", onClose);
      // An error may still come when the connection breaks later; without a listener it would end the process.
      out.off("error", onClose);
      out.on("error", () => undefined);
    },
  };
}

function headersOf(header: Headers | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of header ?? []) {
    const known = headers[name];
    const sent = name === "grpc-message" ? encodeSparingly(value) : value;
    headers[name] = known === undefined ? sent : [known, sent].flat().map(String);
  }
  return headers;
}

/**
 * Connect encodes more of a gRPC status message than it must, and @grpc/grpc-js decodes less: people would read "%3A" for
 * ":". Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Percent-Encoded".
 */
function encodeSparingly(message: string): string {
  return decodeURIComponent(message).replaceAll(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
