import { setTimeout as sleep } from "node:timers/promises";
import type { IncomingMessage, ServerResponse } from "node:http";

import { send, sendPage, sendRefusal } from "./answers.ts";
import type { FaultList, FaultRule } from "./faults.ts";
import { asJson, asText } from "./json.ts";
import type { Kind } from "./kinds.ts";
import { listPage } from "./lists.ts";
import { authorize, authorizePath } from "./rbac.ts";
import { readTarget, subjectOf, targetKey, type Target } from "./routes.ts";
import { selectedName } from "./selectors.ts";
import { badRequest, noSuchPath, notFound, Refusal, unauthorized, unsupportedMediaType } from "./status.ts";
import type { Storage } from "./storage.ts";
import type { ApiUser, RequestRecord, ServedObject } from "./types.ts";
import type { Watches } from "./watches.ts";
import { create, patch, remove, update, type WriteContext } from "./writes.ts";

/** What a handler works with. */
export interface HandlerOptions {
  readonly storage: Storage;
  /** grows as definitions come */
  readonly kinds: readonly Kind[];
  /** by token */
  readonly users: ReadonlyMap<string, ApiUser>;
  readonly faults: FaultList;
  readonly watches: Watches;
  readonly now: () => number;
  /** a CustomResourceDefinition was written */
  readonly define: (definition: ServedObject) => void;
}

const REQUESTS_MAX = 20_000;
/** largest body that is taken, as the real server's */
const BODY_MAX_BYTES = 3 * 1024 * 1024;
const ANONYMOUS: ApiUser = { name: "system:anonymous" };
const VERSION = { major: "1", minor: "30", gitVersion: "v1.30.0-tote-test", platform: "linux/amd64" };

/** Answers requests. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #requests: (RequestRecord & { status: number })[] = [];
  readonly #hung = new Set<ServerResponse>();

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  /** Cuts off what a fault left without an answer. */
  cutHung(): void {
    for (const response of this.#hung) response.destroy();
    this.#hung.clear();
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request, response).catch((error: unknown) => {
      if (error instanceof Refusal) sendRefusal(response, error);
      else sendRefusal(response, new Refusal({ code: 500, reason: "InternalError", message: String(error) }));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://server");
    const method = request.method ?? "GET";
    const body = await readBody(request);
    const user = this.#userOf(request);
    const isResource = /^\/apis?\//.test(url.pathname);
    const target = isResource ? attempt(() => readTarget(method, url, this.#options.kinds)) : undefined;
    const record = this.#record(url, user, target, body);
    response.once("close", () => {
      record.status = response.headersSent ? response.statusCode : 0;
    });
    if (user === undefined) throw unauthorized();
    if (target instanceof Refusal) throw target;
    if (target === undefined) {
      authorizePath(user, method.toLowerCase(), url.pathname);
      this.#answerPath(url.pathname, response);
      return;
    }
    const fault = this.#options.faults.take({ ...record, user: user.name });
    if (fault !== undefined && !(await this.#meet(fault, response))) return;
    authorize(user, accessOf(target));
    this.#answerTarget(target, request, body, response, fault);
  }

  #answerTarget(
    target: Target,
    request: IncomingMessage,
    body: unknown,
    response: ServerResponse,
    fault: FaultRule | undefined,
  ): void {
    const { storage, watches, now } = this.#options;
    const context: WriteContext = { storage, now, namespace: (name) => this.#namespace(name) };
    const done = (status: number, object: object): void => {
      if (fault?.kind === "lost") response.destroy();
      else send(response, status, object);
    };
    switch (target.verb) {
      case "get": {
        const object = storage.collection(target.kind).get(targetKey(target));
        if (object === undefined) throw notFound(subjectOf(target));
        done(200, object);
        return;
      }
      case "list":
        sendPage(response, listPage(storage, target));
        return;
      case "watch":
        watches.serve(target, response, fault?.kind === "silent");
        return;
      case "create":
        done(201, this.#written(target, create(context, target, body)));
        return;
      case "update": {
        const { object, isNew } = update(context, target, body);
        done(isNew ? 201 : 200, this.#written(target, object));
        return;
      }
      case "patch":
        if (!/^application\/merge-patch\+json\b/.test(request.headers["content-type"] ?? "")) {
          throw unsupportedMediaType();
        }
        done(200, this.#written(target, patch(context, target, body)));
        return;
      case "delete":
        done(200, remove(context, target, body));
        this.#emptyNamespace(target);
    }
  }

  /** Lets a fault happen; answers whether the request is to be worked on. */
  async #meet(fault: FaultRule, response: ServerResponse): Promise<boolean> {
    switch (fault.kind) {
      case "delay":
        await sleep(fault.ms);
        return !response.destroyed;
      case "hang":
        this.#hung.add(response);
        response.once("close", () => this.#hung.delete(response));
        return false;
      case "reset":
        response.destroy();
        return false;
      case "status": {
        const { status: code, reason, message = "a fault of the test", retryAfterSeconds } = fault;
        const options = { code, message, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
        throw new Refusal({ ...options, reason: reason ?? reasonOf(code) });
      }
      default:
        return true;
    }
  }

  #answerPath(path: string, response: ServerResponse): void {
    if (path === "/version") send(response, 200, VERSION);
    else if (["/healthz", "/readyz", "/livez"].includes(path)) {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok");
    } else throw noSuchPath();
  }

  /** Who asks; undefined for a token that nobody has. */
  #userOf(request: IncomingMessage): ApiUser | undefined {
    const header = request.headers.authorization;
    if (header === undefined) return ANONYMOUS;
    return this.#options.users.get(/^Bearer (.+)$/.exec(header)?.[1] ?? "");
  }

  #record(
    url: URL,
    user: ApiUser | undefined,
    target: Target | Refusal | undefined,
    body: unknown,
  ): RequestRecord & { status: number } {
    const known = target instanceof Refusal ? undefined : target;
    const record = {
      time: this.#options.now(),
      user: user?.name ?? "",
      verb: known?.verb ?? "",
      resource: known?.kind.plural ?? "",
      group: known?.kind.group ?? "",
      namespace: known?.namespace ?? "",
      name: known?.name || asText(asJson(asJson(body)["metadata"])["name"]),
      subresource: known?.subresource ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      body,
      status: 0,
    };
    this.#requests.push(record);
    if (this.#requests.length > REQUESTS_MAX) this.#requests.splice(0, REQUESTS_MAX / 10);
    return record;
  }

  #namespace(name: string): "active" | "terminating" | undefined {
    const kind = this.#options.kinds.find(({ plural }) => plural === "namespaces");
    const namespace = kind && this.#options.storage.collection(kind).get(name);
    if (namespace === undefined) return undefined;
    return namespace.metadata.deletionTimestamp === undefined ? "active" : "terminating";
  }

  #written(target: Target, object: ServedObject): ServedObject {
    if (target.kind.plural === "customresourcedefinitions") this.#options.define(object);
    return object;
  }

  /** What the namespace controller does once a namespace is gone. */
  #emptyNamespace(target: Target): void {
    if (target.kind.plural !== "namespaces" || this.#namespace(target.name) !== undefined) return;
    for (const kind of this.#options.kinds.filter(({ namespaced }) => namespaced)) {
      const collection = this.#options.storage.collection(kind);
      for (const { key } of collection.entries()) {
        if (key.startsWith(`${target.name}/`)) this.#options.storage.remove(kind, key);
      }
    }
  }
}

function accessOf(target: Target): Parameters<typeof authorize>[1] {
  const { kind, verb, namespace, subresource, query } = target;
  const isCollection = verb === "list" || verb === "watch";
  const name = isCollection ? selectedName(query.get("fieldSelector") ?? "") : target.name;
  // a namespace is in itself
  const where = kind.plural === "namespaces" ? target.name : namespace;
  return {
    verb,
    group: kind.group,
    resource: kind.plural,
    kind: kind.kind,
    subresource,
    namespace: where,
    name,
  };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes <= BODY_MAX_BYTES) pieces.push(piece);
  }
  if (bytes > BODY_MAX_BYTES) {
    const message = `Request entity too large: limit is ${BODY_MAX_BYTES}`;
    throw new Refusal({ code: 413, reason: "RequestEntityTooLarge", message });
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${String(error)}`);
  }
}

function attempt<T>(run: () => T): T | Refusal {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function reasonOf(code: number): string {
  const reasons: Readonly<Record<number, string>> = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
  };
  return reasons[code] ?? "Unknown";
}
