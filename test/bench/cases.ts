import { buildImage, type BuiltImage, type LayerSpec } from "../harness/image-builder.ts";

/** What is moved. */
export interface BenchCase {
  readonly name: string;
  /** for the table */
  readonly title: string;
  readonly layers: number;
  /** bytes of each layer's only file */
  readonly layerBytes: number;
  /** layers from the bottom that another image on the target has already */
  readonly onTarget: number;
}

/** An image to move, and the one that shares layers with it on the target. */
export interface CaseImages {
  readonly image: BuiltImage;
  readonly base: BuiltImage | undefined;
}

const MB = 1e6;

/** All cases. */
export const CASES: readonly BenchCase[] = [
  { name: "six", title: "600 MB in 6 layers", layers: 6, layerBytes: 100 * MB, onTarget: 0 },
  { name: "one", title: "600 MB in 1 layer", layers: 1, layerBytes: 600 * MB, onTarget: 0 },
  { name: "small", title: "300 layers of 64 kB", layers: 300, layerBytes: 64_000, onTarget: 0 },
  { name: "shared", title: "5 of 6 layers there", layers: 6, layerBytes: 100 * MB, onTarget: 5 },
];

/** A tenth of a case, to try things. */
export function quick(bench: BenchCase): BenchCase {
  return bench.layers > 10
    ? { ...bench, layers: bench.layers / 10, title: `${bench.title}, a tenth` }
    : { ...bench, layerBytes: bench.layerBytes / 10, title: `${bench.title}, a tenth` };
}

/**
 * Builds a case's images from random bytes, which depend on the size and the layer's number alone.
 * @param dir folder for the blobs
 */
export async function buildCase(bench: BenchCase, dir: string): Promise<CaseImages> {
  const layers = Array.from({ length: bench.layers }, (_, at): LayerSpec => {
    const seed = `${bench.layerBytes}-${at}`;
    return { files: { [`data/${at}`]: { size: bench.layerBytes, fill: "random", seed } } };
  });
  const image = await buildImage({ layers, dir });
  if (bench.onTarget === 0) return { image, base: undefined };
  return { image, base: await buildImage({ layers: layers.slice(0, bench.onTarget), dir }) };
}
