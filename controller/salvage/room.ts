import { formatSize } from "../../lib/units.ts";
import { UNPACKED_PER_COMPRESSED } from "../limits.ts";

/** One blob of the image, as the target node has it. */
export interface BlobState {
  readonly mediaType: string;
  /** compressed bytes */
  readonly size: number;
  /** the blob is in the content store */
  readonly present: boolean;
  /** a layer: its snapshot is there, so that the blob is not needed */
  readonly unpacked: boolean;
}

/** What fits. */
export type Room =
  | { readonly fits: true }
  | {
      readonly fits: false;
      readonly reason: "ImageTooLarge" | "InsufficientRoom";
      readonly message: string;
    };

const LAYER = /\blayer\b|\brootfs\b/;
const COMPRESSED = /gzip|zstd|lz4/;

/**
 * Bytes that the image takes on the target in addition: what is missing as it comes, and an estimate of what unpacking
 * makes of it. A layer whose snapshot is there takes nothing.
 */
export function neededBytes(blobs: readonly BlobState[]): number {
  return blobs.reduce((sum, blob) => {
    if (blob.unpacked) return sum;
    const fetched = blob.present ? 0 : blob.size;
    return sum + fetched + unpackedBytes(blob);
  }, 0);
}

/**
 * Whether the image fits. After the import `minFreePercent` of the image filesystem must stay free: the kubelet would
 * else delete images, perhaps the last copies of others. A filesystem that the agent cannot see is not checked. Pure.
 */
export function checkRoom(options: {
  readonly blobs: readonly BlobState[];
  /** bytes; undefined when the agent cannot tell */
  readonly freeBytes: number | undefined;
  readonly totalBytes: number | undefined;
  readonly minFreePercent: number;
  /** largest image in compressed bytes; 0 means no limit */
  readonly maxImageBytes: number;
}): Room {
  const { blobs, freeBytes, totalBytes, minFreePercent, maxImageBytes } = options;
  const compressed = blobs.reduce((sum, { size }) => sum + size, 0);
  if (maxImageBytes > 0 && compressed > maxImageBytes) {
    return refuse(
      "ImageTooLarge",
      `the image has ${formatSize(compressed)} (${compressed} bytes), --max-image-size allows ${maxImageBytes}`,
    );
  }
  if (freeBytes === undefined || totalBytes === undefined) return { fits: true };
  const needed = neededBytes(blobs);
  const kept = Math.ceil((totalBytes * minFreePercent) / 100);
  // a repair that needs nothing is always possible
  if (needed === 0 || freeBytes - needed >= kept) return { fits: true };
  return refuse(
    "InsufficientRoom",
    `the image needs about ${formatSize(needed)} on the node, of its image filesystem ${formatSize(freeBytes)} are free and ${formatSize(kept)} must stay so (--min-free-percent=${minFreePercent})`,
  );
}

function unpackedBytes({ mediaType, size }: BlobState): number {
  if (!LAYER.test(mediaType)) return 0;
  return COMPRESSED.test(mediaType) ? size * UNPACKED_PER_COMPRESSED : size;
}

function refuse(reason: "ImageTooLarge" | "InsufficientRoom", message: string): Room {
  return { fits: false, reason, message };
}
