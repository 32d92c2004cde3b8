import { InvalidValueError } from "../../lib/errors.ts";
import { normalizeReference, parseReference, type ImageReference } from "../../lib/reference.ts";

/** An image name in the form that names are compared by; one that is no legal name stays as it is. */
export function comparableName(image: string): string {
  try {
    return normalizeReference(image);
  } catch (error) {
    if (error instanceof InvalidValueError) return image;
    throw error;
  }
}

/** `told`, normalised, when it is another tag of the repository that `image` has a tag of; else undefined. */
export function otherTag(image: string, told: string): string | undefined {
  if (told === image) return undefined;
  const [own, other] = [tagged(image), tagged(told)];
  const isOther = own?.repository === other?.repository && own?.tag !== other?.tag;
  return isOther ? other?.canonical : undefined;
}

/** A name with a tag; undefined for one with a digest, an image id, and no legal name. */
function tagged(image: string): ImageReference | undefined {
  try {
    const reference = parseReference(image);
    return reference.tag === undefined ? undefined : reference;
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}
