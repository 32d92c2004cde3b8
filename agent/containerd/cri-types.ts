/** What the agent asks of CRI, the interface that the kubelet uses, on containerd's socket. */
import type { CallOptions, LeasedCallOptions } from "./call-options.ts";

/** An image as the kubelet sees it. */
export interface CriImage {
  /** Digest of the image's configuration. */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly size: number;
  readonly pinned: boolean;
}

/** The file system that images are on. */
export interface CriImageFs {
  readonly mountpoint: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

/** What CRI says of itself: conditions by type, and `info` as the verbose status has it (values are JSON or text). */
export interface CriStatus {
  readonly conditions: Readonly<Record<string, boolean>>;
  readonly info: Readonly<Record<string, string>>;
}

/** What an import has to know of the CRI plugin's configuration. */
export interface CriSettings {
  /** Snapshotter that the kubelet's containers use. */
  readonly snapshotter: string;
  /** Layers are dropped once unpacked; undefined when this containerd does not tell. */
  readonly discardUnpackedLayers: boolean | undefined;
}

/** The container runtime interface on the same socket: what the kubelet would be told. */
export interface Cri {
  imageStatus(image: string, options?: CallOptions): Promise<CriImage | undefined>;
  listImages(options?: CallOptions): Promise<readonly CriImage[]>;
  imageFsInfo(options?: CallOptions): Promise<readonly CriImageFs[]>;
  status(options?: CallOptions & { readonly verbose?: boolean | undefined }): Promise<CriStatus>;
  criSettings(options?: CallOptions): Promise<CriSettings>;
  /** Pulls from a registry, for tests and benchmarks; answers the image's id. No timeout unless one is given. */
  pullImage(image: string, options?: LeasedCallOptions): Promise<string>;
  /** Removes every name of the image, for tests. */
  removeImage(image: string, options?: CallOptions): Promise<void>;
}
