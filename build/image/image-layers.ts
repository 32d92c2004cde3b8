import { appFiles } from "./app-files.ts";
import type { ImageLayer } from "./image-file.ts";
import { moduleFiles } from "./module-files.ts";
import { systemFiles } from "./system-files.ts";

/** What the image is made from. */
export interface ImageSources {
  /** folder of the project, with node_modules */
  readonly root: string;
  /** the Node that goes into the image */
  readonly node: string;
}

/** The layers of the image, lowest first. */
export async function imageLayers({ root, node }: ImageSources): Promise<readonly ImageLayer[]> {
  return [
    { name: "system", files: await systemFiles(node) },
    { name: "dependencies", files: await moduleFiles(root) },
    { name: "app", files: await appFiles(root) },
  ];
}
