/**
 * What the rest of the agent knows of containerd: plain data and the calls it may make.
 * Sizes and offsets are bytes as numbers (exact up to 8 PiB), times are dates, digests are "sha256:<64 hex>".
 *
 * Calls reject with ConnectError; errors.ts tells which one it is. "Not found" is an answer, not an error,
 * wherever a result says `undefined` or "fine".
 */
import type { CallOptions, Labels, LeasedCallOptions } from "./call-options.ts";
import type { Cri } from "./cri-types.ts";

export type * from "./call-options.ts";
export type * from "./cri-types.ts";

/** A blob by digest, size and media type: the Descriptor of the OCI image specification. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Labels | undefined;
}

/** A committed blob. */
export interface BlobInfo {
  readonly digest: string;
  readonly size: number;
  readonly labels: Labels;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
}

/** An ingest: a blob that is being written, or was when its writer went away. */
export interface IngestStatus {
  readonly ref: string;
  /** Bytes stored so far. */
  readonly offset: number;
  /** Bytes that the blob will have; 0 when its writer did not say. */
  readonly total: number;
  /** Digest that its writer expects; empty when it did not say. */
  readonly expected: string;
  readonly startedAt: Date | undefined;
  readonly updatedAt: Date | undefined;
}

/** What openWriter needs. */
export interface OpenWriterOptions extends LeasedCallOptions {
  /** Name of the ingest; the same ref resumes it. */
  readonly ref: string;
  /** Digest that the blob must have. */
  readonly digest: string;
  /** Bytes of the whole blob, 0 when not known. */
  readonly size: number;
  /**
   * Chunks that come fast go to containerd in messages of up to so many bytes, which cost it less than many small ones;
   * a message that is not whole at the end is lost, at most what half a second brings. Default: each chunk is a message
   * of its own. For a blob whose size is known.
   */
  readonly maxMessageBytes?: number | undefined;
}

/** What commit needs. */
export interface CommitOptions {
  /** Bytes of the whole blob; checked by containerd. */
  readonly size: number;
  /** Digest of the whole blob; checked by containerd. */
  readonly digest: string;
  /** Labels of the new blob; without effect when the blob exists already. */
  readonly labels?: Labels | undefined;
}

/** An open ingest that only this writer may write to, until it is closed: close it in every case. */
export interface ContentWriter {
  /** Where the next chunk goes: what containerd had at the start plus what has been handed over since. */
  readonly offset: number;
  /** Bytes that containerd says it has stored. */
  readonly acknowledged: number;
  /**
   * Hands over the next bytes, in order, without a copy. Resolves when they are on their way to containerd and the chunk
   * may be changed, not when they are stored; once it has rejected, leave the chunk alone. Best about 1 MiB.
   * Rejects when the stream has failed, also because of an earlier chunk, and once the signal has fired.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Waits for all bytes, checks size and digest, and makes the blob. "exists" when somebody else made it
   * meanwhile: `labels` had no effect then. Rejects with failed_precondition, both digests in the message, when
   * the bytes are wrong: abort the ref then, else the wrong bytes are resumed for ever.
   */
  commit(options: CommitOptions): Promise<"committed" | "exists">;
  /**
   * Gives the ref free and keeps what has been stored under it, whole messages under way included, for which it waits
   * 15 s at most. Never rejects; fine after commit, after a failure, and more than once.
   */
  close(): Promise<void>;
}

/** The blob is in the content store already (and now in the lease, if one was given), or is open to write. */
export type OpenWriterResult =
  { readonly kind: "exists" } | { readonly kind: "open"; readonly writer: ContentWriter };

/** The content store: blobs and ingests. */
export interface ContentStore {
  info(digest: string, options?: CallOptions): Promise<BlobInfo | undefined>;
  /** Every blob that a filter selects; none given means all. */
  list(filters?: readonly string[], options?: CallOptions): AsyncIterable<BlobInfo>;
  /** Bytes from `offset` (default 0) to the end. Chunks are views that the reader may keep. Leaving the loop ends the call. */
  read(
    digest: string,
    options?: CallOptions & { readonly offset?: number | undefined },
  ): AsyncIterable<Uint8Array>;
  /** A small blob in one piece; resource_exhausted, naming both, when it has more than `maxBytes`. */
  readAll(digest: string, options: CallOptions & { readonly maxBytes: number }): Promise<Uint8Array>;
  /**
   * Sets these labels and leaves the others; an empty value removes one. With a lease the blob is put into it first.
   * not_found when there is no such blob or lease.
   */
  setLabels(digest: string, labels: Labels, options?: LeasedCallOptions): Promise<void>;
  /** Not found is fine. */
  delete(digest: string, options?: CallOptions): Promise<void>;
  listIngests(filters?: readonly string[], options?: CallOptions): Promise<readonly IngestStatus[]>;
  ingest(ref: string, options?: CallOptions): Promise<IngestStatus | undefined>;
  /** Throws away what is stored under the ref; not found is fine. */
  abort(ref: string, options?: CallOptions): Promise<void>;
  /** Starts or resumes an ingest. isLocked when another writer has the ref. */
  openWriter(options: OpenWriterOptions): Promise<OpenWriterResult>;
}

/** A lease: what it lists lives until it is deleted or expires. */
export interface LeaseInfo {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Date | undefined;
}

/** What a lease holds: `type` is "content", "ingests" or "snapshots/<snapshotter>". */
export interface LeaseResource {
  readonly id: string;
  readonly type: string;
}

/** Leases. */
export interface Leases {
  /** An existing id is fine: `created` is false then, and its labels stay as they were. */
  create(
    lease: { readonly id: string; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): Promise<{ readonly created: boolean }>;
  /** Not found is fine. With `sync` it returns after garbage collection has run. */
  delete(id: string, options?: CallOptions & { readonly sync?: boolean | undefined }): Promise<void>;
  /** Holding it already is fine; not_found when there is no such lease. */
  addResource(id: string, resource: LeaseResource, options?: CallOptions): Promise<void>;
  list(
    options?: CallOptions & { readonly filters?: readonly string[] | undefined },
  ): Promise<readonly LeaseInfo[]>;
  /** What a lease holds; not_found when there is no such lease. */
  resources(id: string, options?: CallOptions): Promise<readonly LeaseResource[]>;
}

/** A name and what it points at. */
export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt?: Date | undefined;
  readonly updatedAt?: Date | undefined;
}

/** Image records. */
export interface Images {
  get(name: string, options?: CallOptions): Promise<ImageRecord | undefined>;
  list(filters?: readonly string[], options?: CallOptions): Promise<readonly ImageRecord[]>;
  create(record: ImageRecord, options?: CallOptions): Promise<"created" | "exists">;
  /** Changes the fields of `maskPaths` ("target", "labels.<key>"; none means all); not_found when there is no such name. */
  update(record: ImageRecord, maskPaths: readonly string[], options?: CallOptions): Promise<ImageRecord>;
  /**
   * `deleted` is false when there was no such name. With `sync` it returns after garbage collection has run. With
   * `target` containerd 2 leaves a name that points at another digest, and `deleted` is false; 1.x does not look.
   */
  delete(
    name: string,
    options?: CallOptions & { readonly sync?: boolean | undefined; readonly target?: Descriptor | undefined },
  ): Promise<{ readonly deleted: boolean }>;
}

/** How to mount a snapshot. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

/** A snapshot: committed ones carry the chain id as name. */
export interface SnapshotInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: "view" | "active" | "committed" | "unknown";
  readonly labels: Labels;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
}

/** Snapshots of one of containerd's snapshotters. */
export interface Snapshots {
  stat(snapshotter: string, key: string, options?: CallOptions): Promise<SnapshotInfo | undefined>;
  list(snapshotter: string, filters?: readonly string[], options?: CallOptions): AsyncIterable<SnapshotInfo>;
  /** A writable snapshot on top of `parent` (empty: on nothing); already_exists when the key is taken. */
  prepare(
    options: LeasedCallOptions & {
      readonly snapshotter: string;
      readonly key: string;
      readonly parent: string;
      readonly labels?: Labels | undefined;
    },
  ): Promise<readonly Mount[]>;
  /** Makes the active snapshot `key` the committed `name`. "exists" when there is one by that name: `key` is still there then. */
  commit(
    options: LeasedCallOptions & {
      readonly snapshotter: string;
      readonly name: string;
      readonly key: string;
      readonly labels?: Labels | undefined;
    },
  ): Promise<"committed" | "exists">;
  /** Not found is fine. */
  remove(snapshotter: string, key: string, options?: CallOptions): Promise<void>;
}

/** Unpacking. */
export interface Diff {
  /** Unpacks a layer onto the mounts; answers digest (the diff id), size and media type of its uncompressed tar. */
  apply(
    options: LeasedCallOptions & { readonly diff: Descriptor; readonly mounts: readonly Mount[] },
  ): Promise<Descriptor>;
}

/** A platform in the words of the OCI image index. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** A plugin of containerd. */
export interface PluginInfo {
  readonly type: string;
  readonly id: string;
  readonly platforms: readonly Platform[];
  readonly exports: Labels;
  readonly capabilities: readonly string[];
  /** Why it did not start; undefined when it did. */
  readonly initError: string | undefined;
}

/** What waitReady needs. */
export interface WaitReadyOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Waits; rejects when the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A containerd over its unix socket, in one namespace. Reconnects by itself after containerd was restarted. */
export interface Containerd {
  readonly socket: string;
  readonly namespace: string;
  readonly content: ContentStore;
  readonly leases: Leases;
  readonly images: Images;
  readonly snapshots: Snapshots;
  readonly diff: Diff;
  readonly cri: Cri;
  version(options?: CallOptions): Promise<{ readonly version: string; readonly revision: string }>;
  plugins(filters?: readonly string[], options?: CallOptions): Promise<readonly PluginInfo[]>;
  /** Identity of this containerd, the same across restarts. */
  server(options?: CallOptions): Promise<{ readonly uuid: string }>;
  /** Answers within a second or two whether containerd answers; never rejects unless the signal fires. */
  isAvailable(signal?: AbortSignal): Promise<boolean>;
  /** Waits until containerd answers; unavailable, naming the socket, when it does not in time. */
  waitReady(options: WaitReadyOptions): Promise<void>;
  /** Closes the connections; calls under way end. */
  close(): void;
}
