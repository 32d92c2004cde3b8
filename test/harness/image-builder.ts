import type { BlobSource, Descriptor, Platform } from "./blobs.ts";

/** One entry of a layer: text or bytes of a file, or something more special. */
export type FileSpec =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly mode?: number }
  /** `size` bytes: zeros, or random ones that depend on the seed only */
  | { readonly size: number; readonly fill: "zeros"; readonly mode?: number }
  | { readonly size: number; readonly fill: "random"; readonly seed: string; readonly mode?: number }
  | { readonly symlink: string }
  | { readonly directory: true; readonly mode?: number };

/** One layer: paths (without leading slash) to entries. */
export interface LayerSpec {
  readonly files: Readonly<Record<string, FileSpec>>;
  /** default "gzip" */
  readonly compression?: "gzip" | "zstd" | "none";
}

/** What buildImage makes. */
export interface ImageSpec {
  readonly layers: readonly LayerSpec[];
  readonly config?: {
    readonly entrypoint?: readonly string[];
    readonly cmd?: readonly string[];
    readonly env?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
  /** default "oci"; zstd layers need "oci" */
  readonly mediaTypes?: "oci" | "docker";
  /** default: this machine's */
  readonly platform?: Platform;
  /** folder for blobs of layers above 16 MiB; they are made streaming and never held in memory */
  readonly dir?: string;
}

/** Something with a root descriptor and blobs: an image or an index. */
export interface Built {
  /** the root: a manifest or an index */
  readonly descriptor: Descriptor;
  /** every blob that exists, by digest, the root's included */
  readonly blobs: ReadonlyMap<string, BlobSource>;
}

/** An image for one platform. */
export interface BuiltImage extends Built {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
  readonly platform: Platform;
}

/** An index of images. */
export interface BuiltIndex extends Built {
  readonly images: readonly BuiltImage[];
}

/** Builds an image from layers; the same spec gives the same digests (with one zlib). */
export declare function buildImage(spec: ImageSpec): Promise<BuiltImage>;

/** A layer with /bin/busybox and links to it for sh, echo, cat, ls, sleep, sha256sum and others. */
export declare function busyboxLayer(compression?: LayerSpec["compression"]): Promise<LayerSpec>;

/** An image with busybox and the layers given, which prints `output` when it is run. */
export declare function buildRunnableImage(
  spec: Omit<ImageSpec, "layers" | "config"> & {
    readonly output: string;
    readonly layers?: readonly LayerSpec[];
  },
): Promise<BuiltImage>;

/** Options of buildIndex. */
export interface IndexSpec {
  readonly images: readonly BuiltImage[];
  /** platforms that the index names but whose content exists nowhere */
  readonly absent?: readonly Platform[];
  /** add an attestation manifest (platform unknown/unknown) per image, as buildx does; default false */
  readonly attestations?: boolean;
  /** default "oci" */
  readonly mediaTypes?: "oci" | "docker";
}

/** Builds an index (OCI) or manifest list (Docker). */
export declare function buildIndex(spec: IndexSpec): BuiltIndex;
