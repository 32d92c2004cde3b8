import { sha256Digest } from "../../../lib/digest.ts";

/** A blob that exists as its descriptor only. */
export interface SimulatedBlob {
  readonly digest: string;
  readonly mediaType: string;
  /** bytes */
  readonly size: number;
}

/** An image of which nothing but the facts exist. */
export interface SimulatedImage {
  readonly digest: string;
  readonly configDigest: string;
  /** manifest, config, one layer */
  readonly blobs: readonly SimulatedBlob[];
  /** compressed bytes of all blobs */
  readonly bytes: number;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

/**
 * Makes up an image; the same for the same title.
 * @param layerBytes compressed bytes of its layer, default 1,000,000
 */
export function simulatedImage(title: string, layerBytes = 1_000_000): SimulatedImage {
  const blobs = [
    { digest: sha256Digest(`${title} manifest`), mediaType: MANIFEST, size: 500 },
    { digest: sha256Digest(`${title} config`), mediaType: CONFIG, size: 500 },
    { digest: sha256Digest(`${title} layer`), mediaType: LAYER, size: layerBytes },
  ] as const;
  const [manifest, config] = blobs;
  return { digest: manifest.digest, configDigest: config.digest, blobs, bytes: layerBytes + 1000 };
}
