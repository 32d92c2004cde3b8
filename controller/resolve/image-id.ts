import { isDigest, type Digest } from "../../lib/digest.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference } from "../../lib/reference.ts";

/** What a container's `imageID` proves: this content came under this repository. */
export interface ImageIdentity {
  /** normalised, e.g. "docker.io/library/nginx" */
  readonly repository: string;
  readonly digest: Digest;
}

/** Prefixes of the Docker runtimes. */
const RUNTIME_PREFIX = /^docker(?:-pullable)?:\/\//;
const DIGEST_AT_END = /@(sha256:[0-9a-f]{64})$/;

/**
 * Reads `imageID` of a container's status: "repo@sha256:...", with "docker-pullable://" before it on old nodes.
 * @returns undefined for a bare "sha256:...", which is the digest of a configuration and names no content to pull, and
 * for anything else
 */
export function parseImageId(imageId: string): ImageIdentity | undefined {
  if (digestOfImageId(imageId) === undefined) return undefined;
  return parseDigestName(imageId.replace(RUNTIME_PREFIX, ""));
}

/** The digest in an `imageID` alone: cheap, to index pods by. */
export function digestOfImageId(imageId: string): Digest | undefined {
  const digest = DIGEST_AT_END.exec(imageId)?.[1];
  return digest !== undefined && isDigest(digest) ? digest : undefined;
}

/** Reads "repo@sha256:..." as nodes and agents name images; undefined for anything else. */
export function parseDigestName(name: string): ImageIdentity | undefined {
  try {
    const { repository, digest } = parseReference(name);
    return digest !== undefined && isDigest(digest) ? { repository, digest } : undefined;
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}
