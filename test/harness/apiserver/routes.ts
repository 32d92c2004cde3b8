import type { Kind } from "./kinds.ts";
import { badRequest, methodNotAllowed, noSuchPath, type Subject } from "./status.ts";

/** What a request is about. */
export interface Target {
  readonly kind: Kind;
  /** "get", "list", "watch", "create", "update", "patch", "delete" */
  readonly verb: string;
  /** "" for the whole cluster */
  readonly namespace: string;
  /** "" for the collection */
  readonly name: string;
  /** "" or "status" */
  readonly subresource: string;
  readonly query: URLSearchParams;
}

/** Key of the target's object: "namespace/name" or "name". */
export function targetKey({ namespace, name }: Target): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** The target in messages. */
export function subjectOf({ kind, name }: Target): Subject {
  return { group: kind.group, plural: kind.plural, kind: kind.kind, name };
}

/**
 * Reads method and path of a request for a resource.
 * @throws Refusal 404 for a path that leads nowhere, 405 for a method that makes no sense there
 */
export function readTarget(method: string, url: URL, kinds: readonly Kind[]): Target {
  const [, root = "", ...rest] = url.pathname.split("/").map(decode);
  const [group, version, ...path] = root === "api" ? ["", ...rest] : rest;
  if ((root !== "api" && root !== "apis") || group === undefined || version === undefined) throw noSuchPath();
  // /namespaces/NAME and /namespaces/NAME/status are the namespace itself
  const isInNamespace = path[0] === "namespaces" && path.length > 2 && path[2] !== "status";
  const [namespace = "", plural, name = "", subresource = "", ...more] = isInNamespace
    ? path.slice(1)
    : ["", ...path];
  const kind = kinds.find((one) => one.group === group && one.version === version && one.plural === plural);
  if (kind === undefined || more.length > 0 || (isInNamespace && !kind.namespaced)) throw noSuchPath();
  if (kind.namespaced && namespace === "" && name !== "") throw noSuchPath();
  if (subresource !== "" && !(subresource === "status" && kind.hasStatus)) throw noSuchPath();
  const verb = verbOf(method, name !== "", url.searchParams);
  if (verb === "create" && kind.namespaced && namespace === "") throw methodNotAllowed();
  return { kind, verb, namespace, name, subresource, query: url.searchParams };
}

function verbOf(method: string, isNamed: boolean, query: URLSearchParams): string {
  const isWatch = ["true", "1"].includes(query.get("watch") ?? "");
  switch (method) {
    case "GET":
      return isNamed ? "get" : isWatch ? "watch" : "list";
    case "POST":
      if (!isNamed) return "create";
      break;
    case "PUT":
      if (isNamed) return "update";
      break;
    case "PATCH":
      if (isNamed) return "patch";
      break;
    case "DELETE":
      if (isNamed) return "delete";
  }
  throw methodNotAllowed();
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest(`invalid path segment ${text}`);
  }
}
