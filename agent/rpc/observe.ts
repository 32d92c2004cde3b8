import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";

/** The call that an interceptor sees. */
export type Call = Parameters<ReturnType<Interceptor>>[0];

/** How a call ended. */
export interface CallEnd {
  /** "ok" or the name of a Connect code, e.g. "not_found" */
  readonly code: string;
  /** what was thrown; absent when the code is "ok" */
  readonly error?: unknown;
}

/**
 * Makes an interceptor that watches calls from their start to their real end: for a stream, its last message, its error
 * or the moment that its client goes away.
 *
 * @param begin called when a call starts; the function it returns is called exactly once, when the call has ended
 */
export function createObserver(begin: (call: Call) => (end: CallEnd) => void): Interceptor {
  return (next) => async (req) => {
    const end = begin(req);
    const response = await next(req).catch((error: unknown) => {
      end(endOf(req.signal, error));
      throw error;
    });
    if (!response.stream) {
      end(endOf(req.signal, undefined));
      return response;
    }
    return { ...response, message: observeMessages(response.message, req.signal, end) };
  };
}

async function* observeMessages<T>(
  messages: AsyncIterable<T>,
  signal: AbortSignal,
  end: (end: CallEnd) => void,
): AsyncGenerator<T, void, undefined> {
  let error: unknown;
  try {
    yield* messages;
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    end(endOf(signal, error));
  }
}

/** A call whose signal has fired ended for that reason, whatever its handler made of it. */
function endOf(signal: AbortSignal, error: unknown): CallEnd {
  if (error instanceof ConnectError) return { code: codeToString(error.code), error };
  if (signal.aborted) {
    const reason = ConnectError.from(signal.reason, Code.Canceled);
    return { code: codeToString(reason.code), error: reason };
  }
  return error === undefined ? { code: "ok" } : { code: codeToString(Code.Internal), error };
}
