import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  type Interceptor,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import { TLSSocket } from "node:tls";
import { ALL_ROLES, ROLES, type Role, RoleError } from "../../lib/roles.ts";
import { roleOfPeer } from "../../lib/tls.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { NodeRequest } from "./response.ts";

/** What a caller may be allowed to do: a method of AgentService, or "archive" (GET /v1/archive). */
export type Action = keyof typeof AgentService.method | "archive";

const { controller, agent, operator } = ROLES;

/** Who may do what. A new method of AgentService does not compile without an entry here. */
export const CALLERS: Readonly<Record<Action, readonly Role[]>> = {
  getNode: [controller, operator],
  listImages: [controller, operator],
  resolveImage: [controller, operator],
  exportBlob: [agent],
  importBlob: [controller],
  exportImage: [controller, operator],
  importImage: [controller],
  cancelImport: [controller],
  removeImage: [controller],
  archive: [controller, operator],
};

/** Services that every role may call in full. */
const OPEN_SERVICES: ReadonlySet<string> = new Set([
  Health.typeName,
  ServerReflection.typeName,
  ServerReflectionV1Alpha.typeName,
]);

/** Who is at the other end of a connection. */
export type Caller =
  | { readonly kind: "role"; readonly role: Role }
  /** the agent runs with --insecure: anyone may do anything */
  | { readonly kind: "anyone" }
  | { readonly kind: "refused"; readonly reason: string };

/** Where interceptors and handlers find the caller. Refused unless something else was set. */
export const callerKey: ContextKey<Caller> = createContextKey<Caller>(
  { kind: "refused", reason: "the caller is unknown" },
  { description: "tote caller" },
);

/**
 * Makes the function that tells who sent a request, by the certificate that the TLS handshake has verified.
 *
 * @param insecure true when the agent runs without TLS: every caller may do anything
 */
export function createCallerOf(insecure: boolean): (req: NodeRequest) => Caller {
  const known = new WeakMap<TLSSocket, Caller>();
  return function callerOf(req) {
    if (insecure) return { kind: "anyone" };
    const socket = "stream" in req ? req.stream.session?.socket : req.socket;
    if (!(socket instanceof TLSSocket)) return { kind: "refused", reason: "the connection has no tls" };
    const caller = known.get(socket) ?? callerOfCertificate(socket);
    known.set(socket, caller);
    return caller;
  };
}

/** Makes the `contextValues` of the RPC server: the caller under `callerKey`. */
export function createCallerContext(
  callerOf: (req: NodeRequest) => Caller,
): (req: NodeRequest) => ContextValues {
  return (req) => createContextValues().set(callerKey, callerOf(req));
}

/**
 * Checks that a caller may do something.
 *
 * @throws ConnectError permission_denied, naming role, action and who may
 */
export function authorize(caller: Caller, action: Action): void {
  authorizeRoles(
    caller,
    action === "archive" ? "GET /v1/archive" : AgentService.method[action].name,
    CALLERS[action],
  );
}

/** Makes the interceptor that lets a call through only if its caller's role may make it. Unknown methods are refused. */
export function createAuthInterceptor(): Interceptor {
  return (next) => async (req) => {
    const roles = rolesFor(req.service.typeName, req.method.localName);
    const name =
      req.service.typeName === AgentService.typeName
        ? req.method.name
        : `${req.service.typeName}/${req.method.name}`;
    authorizeRoles(req.contextValues.get(callerKey), name, roles);
    return next(req);
  };
}

function rolesFor(service: string, method: string): readonly Role[] {
  if (OPEN_SERVICES.has(service)) return ALL_ROLES;
  if (service !== AgentService.typeName || !isAction(method)) return [];
  return CALLERS[method];
}

function isAction(name: string): name is Action {
  return Object.hasOwn(CALLERS, name);
}

function authorizeRoles(caller: Caller, name: string, roles: readonly Role[]): void {
  if (caller.kind === "anyone") return;
  if (caller.kind === "role" && roles.includes(caller.role)) return;
  const allowed = roles.length === 0 ? "nobody may" : `allowed: ${roles.join(", ")}`;
  const refusal =
    caller.kind === "role"
      ? `${caller.role} may not call ${name}`
      : `${name} needs a role, but ${caller.reason}`;
  throw new ConnectError(`${refusal}; ${allowed}`, Code.PermissionDenied);
}

function callerOfCertificate(socket: TLSSocket): Caller {
  try {
    return { kind: "role", role: roleOfPeer(socket) };
  } catch (error) {
    if (!(error instanceof RoleError)) throw error;
    return { kind: "refused", reason: error.message };
  }
}
