import type { Socket } from "node:net";

/** The first bytes of an HTTP/2 connection (RFC 9113, section 3.4), without the line ends that follow. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0", "latin1");

/** What a plaintext connection speaks. */
export type PlaintextProtocol = "http1" | "http2";

/**
 * Says what a connection speaks from its first bytes, or undefined while they can still become either.
 *
 * No HTTP/1.1 request begins with the HTTP/2 preface, so the first byte that differs decides.
 */
export function protocolOf(firstBytes: Uint8Array): PlaintextProtocol | undefined {
  const compared = Math.min(firstBytes.length, HTTP2_PREFACE.length);
  if (!HTTP2_PREFACE.subarray(0, compared).equals(firstBytes.subarray(0, compared))) return "http1";
  return compared === HTTP2_PREFACE.length ? "http2" : undefined;
}

/** How `sniffProtocol` waits and what it calls. */
export interface SniffOptions {
  /** how long the client may take to show what it speaks, in milliseconds */
  readonly timeoutMs: number;
  /** gets the protocol once it is known; every byte read so far is back in the socket */
  readonly onProtocol: (protocol: PlaintextProtocol) => void;
}

/**
 * Reads the first bytes of a plaintext socket, however slowly they come, until they tell the protocol.
 *
 * A connection that stays silent or undecided for `timeoutMs`, ends or fails is destroyed without a call. At most as
 * many bytes as the preface has are waited for, so that a slow client holds nothing but its socket.
 */
export function sniffProtocol(socket: Socket, options: SniffOptions): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(giveUp, options.timeoutMs);
  socket.on("data", look);
  socket.once("end", giveUp);
  socket.once("error", giveUp);
  socket.once("close", stop);

  function look(chunk: Buffer): void {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    options.onProtocol(protocol);
    if (protocol === "http1") socket.resume();
  }

  function giveUp(): void {
    stop();
    socket.destroy();
  }

  function stop(): void {
    clearTimeout(timer);
    socket.off("data", look);
    socket.off("end", giveUp);
    socket.off("error", giveUp);
    socket.off("close", stop);
  }
}
