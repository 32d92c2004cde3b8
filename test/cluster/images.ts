import { buildImage, busyboxLayer, type BuiltImage, type LayerSpec } from "../harness/image-builder.ts";
import { buildIndex, type BuiltIndex } from "../harness/image-index.ts";
import { REGISTRY_HOST } from "./registry.ts";

/** An image for pods: it says what it is, and goes on running. */
export interface PodImage<T = BuiltImage> {
  readonly image: T;
  /** "repository:tag", without the host */
  readonly name: string;
  /** "registry.test:5000/repository:tag" */
  readonly reference: string;
  /** "registry.test:5000/repository@sha256:..." */
  readonly digestReference: string;
  /** what it prints first */
  readonly output: string;
}

/** What pods of an image run to print its title and end. */
export const PRINT_TITLE: readonly string[] = ["/bin/cat", "/etc/title"];

const defaultBytes = 1_500_000;
/** of one layer; larger images have more of them */
const defaultLayerBytes = 8_000_000;

/** How the random bytes of an image are split. */
export interface LayerSplit {
  /** of one layer, default 8 MB */
  readonly layerBytes?: number;
  /** folder for layers above 16 MiB */
  readonly dir?: string;
}

/** Builds an image that shares no layer but busybox with any other. `bytes`: of its random layers. */
export async function podImage(
  title: string,
  bytes = defaultBytes,
  split: LayerSplit = {},
): Promise<PodImage> {
  return named(title, await build(title, bytes, split));
}

/** The same as an index for two platforms, of which the second is one that no node runs. */
export async function podIndex(title: string, bytes = defaultBytes): Promise<PodImage<BuiltIndex>> {
  const own = await build(title, bytes, {});
  const other = await buildImage({
    layers: [{ files: { "etc/title": `${title} for others` } }],
    platform: { os: "linux", architecture: "s390x" },
  });
  return named(title, buildIndex({ images: [own, other] }));
}

async function build(title: string, bytes: number, split: LayerSplit): Promise<BuiltImage> {
  const { layerBytes = defaultLayerBytes, dir } = split;
  const data = Array.from({ length: Math.ceil(bytes / layerBytes) }, (_none, at): LayerSpec => {
    const size = Math.min(layerBytes, bytes - at * layerBytes);
    return { files: { [`data/${at}`]: { size, fill: "random", seed: `${title} ${at}` } } };
  });
  return await buildImage({
    layers: [await busyboxLayer(), { files: { "etc/title": `${outputOf(title)}\n` } }, ...data],
    config: { cmd: ["/bin/sh", "-c", "cat /etc/title; exec sleep 1000000"] },
    ...(dir !== undefined && { dir }),
  });
}

function named<T extends BuiltImage | BuiltIndex>(title: string, image: T): PodImage<T> {
  return {
    image,
    name: `${title}:v1`,
    reference: `${REGISTRY_HOST}/${title}:v1`,
    digestReference: `${REGISTRY_HOST}/${title}@${image.descriptor.digest}`,
    output: outputOf(title),
  };
}

function outputOf(title: string): string {
  return `this is ${title}`;
}
