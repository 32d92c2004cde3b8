import type { Clock } from "../../lib/clock.ts";
import { isWatchEvent, parseList } from "./guards.ts";
import { ApiError } from "./api-error.ts";
import { asApiError, HttpCaller, type HttpCall } from "./http-call.ts";
import { JsonCaller, type CallReport, type NamedCall } from "./json-caller.ts";
import { readJsonLines } from "./json-lines.ts";
import type {
  CallOptions,
  DeleteOptions,
  KubeApi,
  ListOptions,
  Selection,
  WatchOptions,
  WriteOptions,
} from "./kube-api.ts";
import type { KubeConnection } from "./kube-config.ts";
import { PAGE_SIZE, PAGE_TIMEOUT_MS, WATCH_LINE_MAX_BYTES, WATCH_START_TIMEOUT_MS } from "./limits.ts";
import type { KubeList, KubeObject, WatchEvent } from "./objects.ts";
import { apiVersionOf, collectionPath, keyOf, objectPath } from "./resources.ts";
import type { KubeResource, ObjectKey } from "./resources.ts";

/** What a client works with. */
export interface ApiClientOptions {
  readonly connection: KubeConnection;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  /** e.g. "tote/0.1.0" */
  readonly userAgent: string;
  /** called after each request, for metrics */
  readonly onCall?: (report: CallReport) => void;
}

/** The Kubernetes API over HTTP/1.1. */
export class ApiClient implements KubeApi {
  readonly #caller: JsonCaller;

  constructor(options: ApiClientOptions) {
    const { connection, userAgent, clock, random, onCall = () => undefined } = options;
    const caller = new HttpCaller({ connection, userAgent, now: () => clock.now() });
    this.#caller = new JsonCaller({ caller, clock, random, onCall });
  }

  get<T extends KubeObject>(of: KubeResource<T>, key: ObjectKey, options: CallOptions): Promise<T> {
    return this.#object(
      of,
      name("get", of, keyOf(key)),
      { method: "GET", path: objectPath(of, key) },
      options,
    );
  }

  getPath(path: string, options: CallOptions): Promise<unknown> {
    if (!path.startsWith("/")) throw new RangeError(`path "${path}" must begin with a slash`);
    const named = { verb: "get", resource: "path", action: `get ${path}` };
    return this.#caller.json({ ...named, method: "GET", path }, options);
  }

  async *list<T extends KubeObject>(
    of: KubeResource<T>,
    options: ListOptions,
  ): AsyncGenerator<KubeList<T>, void, undefined> {
    const { signal, timeoutMs = PAGE_TIMEOUT_MS, limit = PAGE_SIZE } = options;
    const named = name("list", of, options.namespace);
    let token: string | undefined;
    do {
      const query = { ...selectors(options), limit: String(limit), continue: token };
      const path = withQuery(collectionPath(of, options.namespace), query);
      const answer = await this.#caller.json({ ...named, method: "GET", path }, { signal, timeoutMs });
      const page = parseList(of.is, answer);
      if (page === undefined) throw badAnswer(named.action, `no list of ${of.kind} objects`);
      yield page;
      token = page.metadata.continue;
    } while (token !== undefined && token !== "");
  }

  async *watch(of: KubeResource, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
    const named = name("watch", of, options.namespace);
    const query = {
      ...selectors(options),
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    };
    const path = withQuery(collectionPath(of, options.namespace), query);
    const call: NamedCall = {
      ...named,
      method: "GET",
      path,
      headersTimeoutMs: WATCH_START_TIMEOUT_MS,
    };
    const { signal, onBytes = () => undefined } = options;
    const answer = await this.#caller.open(call, signal);
    onBytes();
    try {
      for await (const line of readJsonLines(
        heard(answer.body as AsyncIterable<Uint8Array>, onBytes),
        WATCH_LINE_MAX_BYTES,
      )) {
        signal.throwIfAborted();
        if (!isWatchEvent(line)) throw new Error("a line of the watch is no event");
        yield line;
      }
    } catch (error) {
      throw asApiError(call.action, error, signal);
    }
  }

  create<T extends KubeObject>(of: KubeResource<T>, object: T, options: CallOptions): Promise<T> {
    const path = collectionPath(of, object.metadata.namespace);
    return this.#object(
      of,
      name("create", of, keyOf(object.metadata)),
      { method: "POST", path, body: typed(of, object) },
      options,
    );
  }

  replace<T extends KubeObject>(of: KubeResource<T>, object: T, options: WriteOptions): Promise<T> {
    const { metadata } = object;
    const path = objectPath(of, metadata, options.subresource);
    return this.#object(
      of,
      name("replace", of, keyOf(metadata), options.subresource),
      { method: "PUT", path, body: typed(of, object) },
      options,
    );
  }

  patch<T extends KubeObject>(
    of: KubeResource<T>,
    key: ObjectKey,
    patch: object,
    options: WriteOptions,
  ): Promise<T> {
    const path = objectPath(of, key, options.subresource);
    return this.#object(
      of,
      name("patch", of, keyOf(key), options.subresource),
      { method: "PATCH", path, body: patch, contentType: "application/merge-patch+json" },
      options,
    );
  }

  async delete(of: KubeResource, key: ObjectKey, options: DeleteOptions): Promise<void> {
    const { uid, resourceVersion, gracePeriodSeconds } = options;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: "Background",
      gracePeriodSeconds,
      preconditions: { uid, resourceVersion },
    };
    await this.#caller.json(
      { ...name("delete", of, keyOf(key)), method: "DELETE", path: objectPath(of, key), body },
      options,
    );
  }

  async #object<T extends KubeObject>(
    of: KubeResource<T>,
    named: Pick<NamedCall, "verb" | "resource" | "action">,
    call: Omit<HttpCall, "action">,
    options: CallOptions,
  ): Promise<T> {
    const answer = await this.#caller.json({ ...named, ...call }, options);
    if (!of.is(answer)) throw badAnswer(named.action, `no ${of.kind}`);
    return answer;
  }
}

function badAnswer(action: string, what: string): ApiError {
  return new ApiError(action, { status: 0, reason: "BadAnswer", message: `the answer is ${what}` });
}

function name(
  verb: string,
  of: KubeResource,
  what: string | undefined,
  subresource?: string,
): Pick<NamedCall, "verb" | "resource" | "action"> {
  const resource = subresource === undefined ? of.plural : `${of.plural}/${subresource}`;
  return { verb, resource, action: `${verb} ${resource}${what === undefined ? "" : ` ${what}`}` };
}

function typed(of: KubeResource, object: KubeObject): object {
  return { ...object, apiVersion: apiVersionOf(of), kind: of.kind };
}

function selectors({ fieldSelector, labelSelector }: Selection): Record<string, string | undefined> {
  return { fieldSelector, labelSelector };
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(query).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "",
  );
  return `${path}?${new URLSearchParams(set)}`;
}

async function* heard(pieces: AsyncIterable<Uint8Array>, onBytes: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    onBytes();
    yield piece;
  }
}
