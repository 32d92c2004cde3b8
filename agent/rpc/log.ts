import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "../../lib/log.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { type Caller, callerKey } from "./auth.ts";
import { type Call, type CallEnd, createObserver } from "./observe.ts";

/** Where the access log goes and what time it is. */
export interface AccessLogOptions {
  readonly logger: Logger;
  /** milliseconds of a clock that never goes back */
  readonly now: () => number;
}

/**
 * Makes the interceptor that logs every call when it has ended: method, code, duration, caller, and the error if any.
 *
 * Health checks and reflection are logged at debug level, and blobs that were sent whole, since an image may have
 * hundreds of them: whoever keeps an image for an export has a line for it. What a handler throws that is no ConnectError is a fault of
 * ours: it is logged as an error with its stack, while the client is told no more than "internal error".
 */
export function createAccessLogInterceptor({ logger, now }: AccessLogOptions): Interceptor {
  return createObserver((call) => {
    const started = now();
    return (end) => {
      const fields = {
        method: `${call.service.typeName}/${call.method.name}`,
        code: end.code,
        durationMs: Math.round(now() - started),
        caller: nameOf(call.contextValues.get(callerKey)),
      };
      if (isFault(end)) logger.error("rpc failed", { ...fields, ...faultOf(end.error) });
      else if (isRoutine(call, end)) logger.debug("rpc", { ...fields, ...messageOf(end) });
      else logger.info("rpc", { ...fields, ...messageOf(end) });
    };
  });
}

function isRoutine({ service, method }: Call, { code }: CallEnd): boolean {
  if (service.typeName !== AgentService.typeName) return true;
  return code === "ok" && method.name === AgentService.method.exportBlob.name;
}

function isFault({ code, error }: CallEnd): boolean {
  if (code === "ok") return false;
  return !(error instanceof ConnectError) || error.code === Code.Internal || error.code === Code.Unknown;
}

function faultOf(error: unknown): { readonly error: string; readonly stack?: string } {
  // The cause of a ConnectError is where the fault is; its own stack ends at the RPC's edge.
  const origin = error instanceof ConnectError && error.cause !== undefined ? error.cause : error;
  if (!(origin instanceof Error)) return { error: String(origin) };
  return { error: origin.message, ...(origin.stack === undefined ? {} : { stack: origin.stack }) };
}

function messageOf({ error }: CallEnd): { readonly error?: string } {
  return error === undefined ? {} : { error: ConnectError.from(error).rawMessage };
}

function nameOf(caller: Caller): string {
  return caller.kind === "role" ? caller.role : caller.kind;
}
