import { buildImage, busyboxLayer, type BuiltImage } from "./image-builder.ts";

/** An image that shares nothing with any other. */
export interface UniqueImage {
  readonly image: BuiltImage;
  /** the reference that pods use */
  readonly name: string;
  /** what it prints when it is run */
  readonly output: string;
  /** compressed bytes of all blobs */
  readonly bytes: number;
}

/** The registry that images of tests claim to come from; nobody listens there. */
const registry = "registry.test:5000";
/** of one layer, in bytes: two messages of a blob stream */
const layerBytes = 1_500_000;

/**
 * Builds an image that runs and of which no blob and no snapshot is part of another image: tests that count bytes can
 * share nodes.
 * @param title of the image, a legal repository name
 * @param options.layers sizes in bytes of the layers above busybox (about 1 MB), default three of 1.5 MB
 * @param options.seed of the bytes in them; two images of one seed share these blobs, though no snapshot
 */
export async function uniqueImage(
  title: string,
  options: { readonly layers?: readonly number[]; readonly seed?: string } = {},
): Promise<UniqueImage> {
  const { layers = [layerBytes, layerBytes, layerBytes], seed = title } = options;
  const base = await busyboxLayer();
  const output = `this is ${title}`;
  const image = await buildImage({
    layers: [
      { files: { ...base.files, "etc/title": title } },
      ...layers.map((size, at) => ({
        files: { [`data/${at}`]: { size, fill: "random" as const, seed: `${seed} ${at}` } },
      })),
    ],
    config: { cmd: ["/bin/echo", output] },
  });
  let bytes = 0;
  for (const blob of image.blobs.values()) bytes += blob.size;
  return { image, name: `${registry}/${title}:v1`, output, bytes };
}
