import { InvalidValueError } from "../../lib/errors.ts";
import { normalizeReference } from "../../lib/reference.ts";

/** An image name in the form that names are compared by; one that is no legal name stays as it is. */
export function comparableName(image: string): string {
  try {
    return normalizeReference(image);
  } catch (error) {
    if (error instanceof InvalidValueError) return image;
    throw error;
  }
}
