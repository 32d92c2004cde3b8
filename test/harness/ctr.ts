import type { ContainerdNode } from "./containerd-node.ts";

/** An image record. */
export interface ImageRecord {
  readonly name: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A blob in the content store. */
export interface ContentRecord {
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A lease. */
export interface LeaseRecord {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A snapshot. */
export interface SnapshotRecord {
  readonly key: string;
  readonly parent: string;
  readonly kind: string;
}

/** Options of Ctr.run. */
export interface RunContainerOptions {
  /** default: the node's */
  readonly snapshotter?: string;
  /** instead of the image's command */
  readonly command?: readonly string[];
  readonly signal?: AbortSignal;
}

/** `ctr --address SOCKET -n NAMESPACE`, typed. */
export interface Ctr {
  /** any ctr command; returns stdout */
  exec(args: readonly string[], signal?: AbortSignal): Promise<string>;
  images(): Promise<readonly ImageRecord[]>;
  /** `images check`: "complete", "incomplete (2/3)" and so on by name */
  checkImages(): Promise<ReadonlyMap<string, string>>;
  importImage(archive: string | AsyncIterable<Uint8Array>, args?: readonly string[]): Promise<void>;
  exportImage(path: string, names: readonly string[], args?: readonly string[]): Promise<void>;
  tag(name: string, newName: string): Promise<void>;
  /** removes image records and waits for the garbage collector */
  removeImages(...names: readonly string[]): Promise<void>;
  content(): Promise<readonly ContentRecord[]>;
  /** removes blobs behind containerd's back, references or not */
  removeContent(...digests: readonly string[]): Promise<void>;
  snapshots(snapshotter?: string): Promise<readonly SnapshotRecord[]>;
  leases(): Promise<readonly LeaseRecord[]>;
  /** refs of unfinished writes */
  ingests(): Promise<readonly string[]>;
  /** runs a container of the image and returns its stdout */
  run(name: string, options?: RunContainerOptions): Promise<string>;
  /** makes the garbage collector run now: creates a lease and deletes it synchronously */
  forceGc(): Promise<void>;
}

/** ctr for a node; namespace default "k8s.io". */
export declare function ctr(node: ContainerdNode, namespace?: string): Ctr;
