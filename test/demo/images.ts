import { buildIndex, buildRunnableImage, type BuiltIndex } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import type { Rig } from "../harness/rig.ts";

/** An image of the demo. */
export interface DemoImage {
  /** as pods write it */
  readonly name: string;
  readonly index: BuiltIndex;
  /** what its container prints */
  readonly output: string;
}

/** Puts an image on node a: one platform of an index with attestations, as a pull leaves it. */
export async function putImage(
  rig: Rig,
  options: { readonly name: string; readonly output: string; readonly megabytes: number },
): Promise<DemoImage> {
  const { name, output, megabytes } = options;
  const size = (share: number): number => Math.round(megabytes * 1e6 * share);
  const inner = await buildRunnableImage({
    output,
    dir: rig.cleanup.directory(),
    layers: [
      { files: { "app/server": { size: size(0.75), fill: "random", seed: `${name} server` } } },
      {
        files: { "app/assets": { size: size(0.25), fill: "random", seed: `${name} assets` } },
        compression: "zstd",
      },
    ],
  });
  const absent = [{ os: "linux", architecture: "s390x" }];
  const index = buildIndex({ images: [inner], absent, attestations: true });
  await loadImage(rig.node("a").containerd, index, { names: [name] });
  return { name, index, output };
}
