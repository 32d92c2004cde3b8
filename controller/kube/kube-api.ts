import type { KubeList, KubeObject, WatchEvent } from "./objects.ts";
import type { KubeResource, ObjectKey } from "./resources.ts";

/** For every call. */
export interface CallOptions {
  readonly signal: AbortSignal;
  /** milliseconds for the whole call, waiting for Retry-After included; default 15 s, for a page of a list 60 s */
  readonly timeoutMs?: number;
  /** called right before each request of the call is sent; what it throws ends the call */
  readonly guard?: () => void;
}

/** Which objects a list or watch is about. */
export interface Selection {
  /** absent for all namespaces */
  readonly namespace?: string | undefined;
  /** e.g. "spec.nodeName=node-a" */
  readonly fieldSelector?: string | undefined;
  /** e.g. "app.kubernetes.io/name=tote,app.kubernetes.io/component=agent" */
  readonly labelSelector?: string | undefined;
}

/** For lists. */
export interface ListOptions extends CallOptions, Selection {
  /** objects on a page, default 500 */
  readonly limit?: number;
}

/** For watches. */
export interface WatchOptions extends Selection {
  readonly signal: AbortSignal;
  /** what was seen last: the `resourceVersion` of a list, an event or a bookmark */
  readonly resourceVersion: string;
  /** seconds after which the API server ends the watch */
  readonly timeoutSeconds: number;
  /** called at each sign of life: the answer's start, and each piece of it */
  readonly onBytes?: () => void;
}

/** For writes. */
export interface WriteOptions extends CallOptions {
  /** "status" writes the status alone, without it the status is left alone */
  readonly subresource?: "status";
}

/** For deletions: what is deleted must be this very object. */
export interface DeleteOptions extends CallOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** seconds until it is gone, default what its kind says; 0 does not wait for the kubelet */
  readonly gracePeriodSeconds?: number;
}

/**
 * The Kubernetes API as raw JSON. Every call rejects with `ApiError`, or with the signal's reason. A call that the API
 * server refuses with Retry-After is sent again when its time allows.
 */
export interface KubeApi {
  get<T extends KubeObject>(of: KubeResource<T>, key: ObjectKey, options: CallOptions): Promise<T>;
  /** Reads any path, e.g. "/version" or an object of a kind that is known at run time only. */
  getPath(path: string, options: CallOptions): Promise<unknown>;
  /** Reads a list page by page; all pages show the same moment. Throws 410 when that moment has passed away meanwhile. */
  list<T extends KubeObject>(
    of: KubeResource<T>,
    options: ListOptions,
  ): AsyncGenerator<KubeList<T>, void, undefined>;
  /** What happens after `resourceVersion`, with bookmarks, until the API server ends it; errors may come as events. */
  watch(of: KubeResource, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined>;
  create<T extends KubeObject>(of: KubeResource<T>, object: T, options: CallOptions): Promise<T>;
  /** Writes the whole object; with its `resourceVersion` only if nobody has changed it, 409 otherwise. */
  replace<T extends KubeObject>(of: KubeResource<T>, object: T, options: WriteOptions): Promise<T>;
  /** A JSON merge patch (RFC 7386): null removes. With `metadata.resourceVersion` 409 when it has changed. */
  patch<T extends KubeObject>(
    of: KubeResource<T>,
    key: ObjectKey,
    patch: object,
    options: WriteOptions,
  ): Promise<T>;
  delete(of: KubeResource, key: ObjectKey, options: DeleteOptions): Promise<void>;
}
