import { jsonBlob, sha256 } from "./blobs.ts";
import type { BlobSource, Descriptor, Platform } from "./blobs.ts";
import { buildLayer, busyboxLayer } from "./layer-builder.ts";
import type { LayerSpec } from "./layer-builder.ts";
import { hostPlatform } from "./platform.ts";

export type { FileSpec, LayerSpec } from "./layer-builder.ts";
export { busyboxLayer } from "./layer-builder.ts";
export { buildIndex } from "./image-index.ts";
export type { BuiltIndex, IndexSpec } from "./image-index.ts";

/** What buildImage makes. */
export interface ImageSpec {
  readonly layers: readonly LayerSpec[];
  readonly config?: {
    readonly entrypoint?: readonly string[];
    readonly cmd?: readonly string[];
    /** "NAME=value"; default PATH=/bin */
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
  /** digests of the layers' tars */
  readonly diffIds: readonly string[];
  /** names of the snapshots that unpacking makes */
  readonly chainIds: readonly string[];
  readonly platform: Platform;
}

/** What is written where, for OCI and for Docker schema 2. */
const types = {
  oci: {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    none: "application/vnd.oci.image.layer.v1.tar",
    gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
    zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  },
  docker: {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    none: "application/vnd.docker.image.rootfs.diff.tar",
    gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    zstd: undefined,
  },
} as const;

/** time of creation in every configuration: the same spec must give the same digests */
const created = "2024-01-01T00:00:00Z";

/** Builds an image from layers; the same spec gives the same digests (with one version of zlib). */
export async function buildImage(spec: ImageSpec): Promise<BuiltImage> {
  const { mediaTypes = "oci", platform = hostPlatform(), config: settings = {} } = spec;
  const mediaType = types[mediaTypes];
  const blobs = new Map<string, BlobSource>();
  const layers: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const layer of spec.layers) {
    const type = mediaType[layer.compression ?? "gzip"];
    if (type === undefined) throw new Error("docker schema 2 has no zstd layers: use oci media types");
    const { blob, diffId } = await buildLayer(layer, spec.dir);
    layers.push(addBlob(blobs, blob, type));
    diffIds.push(diffId);
  }
  const configBlob = jsonBlob({
    created,
    ...platform,
    config: {
      Env: settings.env ?? ["PATH=/bin"],
      ...(settings.entrypoint && { Entrypoint: settings.entrypoint }),
      ...(settings.cmd && { Cmd: settings.cmd }),
      ...(settings.labels && { Labels: settings.labels }),
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: layers.map(() => ({ created, created_by: "tote's tests" })),
  });
  const config = addBlob(blobs, configBlob, mediaType.config);
  const manifest = jsonBlob({ schemaVersion: 2, mediaType: mediaType.manifest, config, layers });
  const descriptor = addBlob(blobs, manifest, mediaType.manifest);
  return { descriptor, config, layers, diffIds, chainIds: chainIds(diffIds), platform, blobs };
}

/** An image with busybox and the layers given, which prints `output` and a newline when it is run. */
export async function buildRunnableImage(
  spec: Omit<ImageSpec, "layers" | "config"> & {
    readonly output: string;
    readonly layers?: readonly LayerSpec[];
    /** of the busybox layer, default "gzip" */
    readonly compression?: LayerSpec["compression"];
  },
): Promise<BuiltImage> {
  const { output, layers = [], compression, ...rest } = spec;
  return buildImage({
    ...rest,
    layers: [await busyboxLayer(compression), ...layers],
    config: { cmd: ["/bin/echo", output] },
  });
}

/** Chain ids of layers (OCI image spec, "Layer ChainID"). */
function chainIds(diffIds: readonly string[]): readonly string[] {
  const ids: string[] = [];
  for (const diffId of diffIds) {
    const parent = ids.at(-1);
    ids.push(parent === undefined ? diffId : sha256(`${parent} ${diffId}`));
  }
  return ids;
}

function addBlob(blobs: Map<string, BlobSource>, blob: BlobSource, mediaType: string): Descriptor {
  blobs.set(blob.digest, blob);
  return { mediaType, digest: blob.digest, size: blob.size };
}
