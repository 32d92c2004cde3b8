/** One entry of the image's file system. Everything belongs to root and nobody may write to it, but for `/tmp`. */
export type ImageFile =
  /** a copy of a file of the machine that builds */
  | { readonly path: string; readonly kind: "copy"; readonly from: string; readonly mode?: number }
  | { readonly path: string; readonly kind: "text"; readonly text: string; readonly mode?: number }
  | { readonly path: string; readonly kind: "symlink"; readonly target: string }
  | { readonly path: string; readonly kind: "directory"; readonly mode: number };

/** Files that belong together in one layer: what changes rarely lies below what changes often. */
export interface ImageLayer {
  readonly name: "system" | "dependencies" | "app";
  /** paths without a leading slash */
  readonly files: readonly ImageFile[];
}

/** Where the sources and their dependencies are in the image; not below a node_modules, where Node strips no types. */
export const APP_DIRECTORY = "usr/local/lib/tote";

/** Where Node is in the image. */
export const NODE_PATH = "usr/local/bin/node";

/** The program, on PATH; a link to the dispatcher. */
export const TOTE_PATH = "usr/local/bin/tote";
