import { TOTE_PATH } from "./image-file.ts";

/** What runs, and as whom: the Dockerfile says the same, which a test compares. */
export interface ImageConfig {
  /** "uid:gid" */
  readonly user: string;
  readonly workingDirectory: string;
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** by name, see the OCI image specification, "Annotations" */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The options that Node is started with; a line of `#!` holds one word after the program. Young objects of transfers
 * and of large lists die young: with a small space for them the services need tens of megabytes less.
 */
export const NODE_OPTION = "--max-semi-space-size=8";

/**
 * Threads for what Node cannot wait for otherwise, such as look-ups of names, which may have half of them. Each that hangs
 * holds one until it ends: of Node's own four, two receivers whose name server is slow would take all that there are.
 */
const THREADS = 64;

/** Nobody in particular; the agent alone is started as root, by the chart. */
export const NONROOT_ID = 65_532;

/** Where the sources of an image are, as far as whoever builds it says. */
export interface ImageOrigin {
  /** which of them, e.g. a commit */
  readonly revision?: string | undefined;
  /** their URL */
  readonly source?: string | undefined;
}

/** The configuration of the image of a version. */
export function imageConfig(version: string, { revision, source }: ImageOrigin = {}): ImageConfig {
  return {
    user: `${NONROOT_ID}:${NONROOT_ID}`,
    workingDirectory: "/",
    entrypoint: [`/${TOTE_PATH}`],
    environment: { PATH: "/usr/local/bin", UV_THREADPOOL_SIZE: String(THREADS) },
    labels: {
      "org.opencontainers.image.title": "tote",
      "org.opencontainers.image.description":
        "Emergency image salvage for Kubernetes: moves images node to node when the registry is gone",
      "org.opencontainers.image.licenses": "MIT",
      "org.opencontainers.image.version": version,
      ...(revision !== undefined && { "org.opencontainers.image.revision": revision }),
      ...(source !== undefined && { "org.opencontainers.image.source": source }),
    },
  };
}
