/** Which image a message is about. */

import { comparableName } from "../objects/image-name.ts";
import type { ImageVolume, PodContainer } from "../objects/pod.ts";

/** `Back-off pulling image "x"`, `failed to pull and unpack image "x"`, `Container image "x" is not present`, ... */
const QUOTED = /\bimage (?:tag )?"([^"\\]+)"/;
/** `image pull failed for x because the registry is unavailable` */
const UNQUOTED = /\bimage pull failed for (\S+) because /;

/** The first image that a message names, or undefined. */
export function imageInMessage(message: string): string | undefined {
  return QUOTED.exec(message)?.[1] ?? UNQUOTED.exec(message)?.[1];
}

/**
 * The image volume that a container's failure is about. The kubelet reports it in the status of each container that
 * mounts the volume, with the same reasons as for the container's own image: only the name in the message differs.
 * @returns undefined when it is about the container's own image
 */
export function failingVolume(
  container: PodContainer,
  volumes: readonly ImageVolume[],
): ImageVolume | undefined {
  if (volumes.length === 0 || container.waiting === undefined) return undefined;
  const named = imageInMessage(container.waiting.message);
  if (named === undefined) return undefined;
  const failing = comparableName(named);
  if (failing === comparableName(container.image)) return undefined;
  return volumes.find((volume) => comparableName(volume.reference) === failing);
}
