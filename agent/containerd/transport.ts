/**
 * Connect's Transport on GrpcStream, for the clients that protobuf's descriptions make. connect-node's own sends each call
 * through a dozen async iterators, which takes several times the CPU, and memory that only a full garbage collection
 * gives back: an image of 300 layers is thousands of calls.
 */
import { create, fromBinary, toBinary, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";

import { canceled } from "./errors.ts";
import type { GrpcStream } from "./grpc-stream.ts";

/** Opens a stream for a call; never hangs, since there is no network between us and containerd. */
export type OpenStream = (
  method: DescMethod,
  headers: Readonly<Record<string, string>>,
) => Promise<GrpcStream>;

/** Makes a transport for unary calls and for those that answer with a stream. */
export function createTransport(open: OpenStream): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input) {
      const call = await startCall(open, method, { signal, timeoutMs, header });
      try {
        call.stream.send(toBinary(method.input, create(method.input, input)));
        call.stream.end();
        const message = await call.stream.receive();
        // the status comes behind the message
        await call.stream.receive();
        if (message === undefined) throw new ConnectError(`${method.name} answered nothing`, Code.Internal);
        return { ...respond(method), stream: false, message: fromBinary(method.output, message) };
      } finally {
        call.release();
      }
    },

    async stream(method, signal, timeoutMs, header, input) {
      const call = await startCall(open, method, { signal, timeoutMs, header });
      async function* messages() {
        try {
          for await (const request of input)
            call.stream.send(toBinary(method.input, create(method.input, request)));
          call.stream.end();
          for (;;) {
            const message = await call.stream.receive();
            if (message === undefined) return;
            yield fromBinary(method.output, message);
          }
        } finally {
          call.release();
          call.stream.cancel(new ConnectError("the reader has left", Code.Canceled));
        }
      }
      return { ...respond(method), stream: true, message: messages() };
    },
  };
}

function respond<Method extends DescMethod>(method: Method) {
  return { service: method.parent, method, header: new Headers(), trailer: new Headers() };
}

interface CallSettings {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
}

/** Opens a stream that ends with the signal or at its time; `release` lets go of both. */
async function startCall(
  open: OpenStream,
  method: DescMethod,
  { signal, timeoutMs = 0, header }: CallSettings,
): Promise<{ readonly stream: GrpcStream; release(): void }> {
  const headers = Object.fromEntries(new Headers(header));
  // containerd gives up too
  if (timeoutMs > 0) headers["grpc-timeout"] = `${Math.ceil(timeoutMs)}m`;
  const stream = await open(method, headers);
  const onAbort = (): void => {
    if (signal !== undefined) stream.cancel(canceled(signal));
  };
  const onTimeout = (): void => {
    stream.cancel(new ConnectError(`${method.name} took more than ${timeoutMs} ms`, Code.DeadlineExceeded));
  };
  const timer = timeoutMs > 0 ? setTimeout(onTimeout, timeoutMs) : undefined;
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  return {
    stream,
    release() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
