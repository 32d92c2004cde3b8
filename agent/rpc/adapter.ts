import {
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  type Interceptor,
  createConnectRouter,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { constants } from "node:http2";
import type { Logger } from "../../lib/log.ts";
import type { RpcLimits } from "./limits.ts";
import { type RawBytes, createRawBytesInterceptor, rawBytesKey } from "./raw-bytes.ts";
import { type NodeRequest, type NodeResponse, abortResponse, writeResponse } from "./response.ts";

/** What the RPC request listener is made of. */
export interface AdapterOptions {
  /** registers the services */
  readonly routes: (router: ConnectRouter) => void;
  /** answers every request whose path is no RPC */
  readonly fallback: (req: NodeRequest, res: NodeResponse) => void;
  /** the first of the list is the outermost */
  readonly interceptors: readonly Interceptor[];
  /** what interceptors and handlers are told about the caller */
  readonly contextValues: (req: NodeRequest) => ContextValues;
  readonly logger: Logger;
  /** ends every running call */
  readonly shutdownSignal: AbortSignal;
  /** true once no HTTP/1.1 connection is to be kept for another request */
  readonly draining: () => boolean;
  readonly limits: RpcLimits;
  /** told of pieces of answers that the operating system has: their memory may be used again */
  readonly onSent?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * Makes the request listener that serves Connect, gRPC and gRPC-Web over both versions of HTTP.
 *
 * Like connectNodeAdapter of @connectrpc/connect-node, but it prints nothing when a client goes away, never compresses
 * (image layers are compressed already), reads ahead of the socket and bounds how long a client may read nothing.
 */
export function createRpcListener(options: AdapterOptions): (req: NodeRequest, res: NodeResponse) => void {
  const handlers = createHandlers(options);

  return function onRequest(req, res) {
    req.on("error", (error) => options.logger.debug("request broke off", { error: error.message }));
    if (options.draining() && !("stream" in res)) res.setHeader("connection", "close");
    const handler = handlers.get(pathOf(req));
    if (handler === undefined) {
      try {
        options.fallback(req, res);
      } catch (error) {
        // thrown on, it would end the process
        options.logger.error("request failed", { error });
        abortResponse(res);
      }
      return;
    }
    serve(handler, req, res).catch((error: unknown) => {
      // Nobody is left to be told: the caller is gone, or the answer broke off half-way.
      options.logger.debug("rpc response broke off", {
        method: handler.method.name,
        error: ConnectError.from(error).message,
      });
    });
  };

  async function serve(handler: UniversalHandler, req: NodeRequest, res: NodeResponse): Promise<void> {
    const rawBytes: RawBytes = [];
    const request = universalRequest(req, res, rawBytes);
    if (request === undefined) {
      res.writeHead(400);
      res.end();
      return;
    }
    try {
      await writeResponse(await handler(request), res, rawBytes, options.limits, options.onSent);
    } catch (error) {
      abortResponse(res);
      throw error;
    }
    if (!req.complete) dropUnreadRequest(req, options.limits.lingerMs);
  }

  /** Undefined for a request whose host or target makes no URL. */
  function universalRequest(
    req: NodeRequest,
    res: NodeResponse,
    rawBytes: RawBytes,
  ): ReturnType<typeof universalRequestFromNodeRequest> | undefined {
    try {
      const contextValues = options.contextValues(req).set(rawBytesKey, rawBytes);
      return universalRequestFromNodeRequest(req, res, undefined, contextValues);
    } catch (error) {
      options.logger.debug("request refused", { target: req.url, error: ConnectError.from(error).message });
      return undefined;
    }
  }
}

function createHandlers(options: AdapterOptions): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({
    acceptCompression: [],
    readMaxBytes: options.limits.maxMessageBytes,
    maxTimeoutMs: options.limits.maxTimeoutMs,
    interceptors: [createRawBytesInterceptor(), ...options.interceptors],
    shutdownSignal: options.shutdownSignal,
  });
  options.routes(router);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function pathOf(req: NodeRequest): string {
  const target = req.url ?? "";
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

/**
 * Ends a request that was answered before it had arrived in full, as a refused upload is: a client that goes on sending
 * is cut off after `lingerMs`, which gives it the time to read the answer.
 */
function dropUnreadRequest(req: NodeRequest, lingerMs: number): void {
  const timer = setTimeout(cut, lingerMs);
  req.once("end", stop);
  req.once("close", stop);
  req.resume();

  function cut(): void {
    stop();
    if ("stream" in req) req.stream.close(constants.NGHTTP2_NO_ERROR);
    else req.socket.destroy();
  }

  function stop(): void {
    clearTimeout(timer);
    req.off("end", stop);
    req.off("close", stop);
  }
}
