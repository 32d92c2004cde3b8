/** Answers of agents to the controller. */

import type { MessageInitShape } from "@bufbuild/protobuf";

import type {
  DescriptorSchema,
  GetNodeResponseSchema,
  ImportImageResponseSchema,
  ListImagesResponseSchema,
  ResolveImageResponseSchema,
} from "../../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { SimulatedBlob, SimulatedImage } from "./image.ts";

/** One message of an answer to ImportImage. */
export type ImportReply = MessageInitShape<typeof ImportImageResponseSchema>;

/** An image with its names on a node. */
export interface NamedImage {
  readonly image: SimulatedImage;
  readonly names: Iterable<string>;
}

/** size and free bytes of the image filesystem */
const DISK = { total: 100_000_000_000n, free: 90_000_000_000n };

/** A node with a large disk that is almost empty. */
export function nodeReply(
  nodeName: string,
  activeImports: number,
): MessageInitShape<typeof GetNodeResponseSchema> {
  return {
    nodeName,
    platform: { os: "linux", architecture: "amd64" },
    imageFsTotalBytes: DISK.total,
    imageFsFreeBytes: DISK.free,
    keepsLayers: true,
    activeImports,
  };
}

/** All images of a node, on one page. */
export function listReply(images: readonly NamedImage[]): MessageInitShape<typeof ListImagesResponseSchema> {
  return {
    images: images.map(({ image, names }) => ({
      target: targetOf(image),
      names: [...names].sort(),
      complete: true,
      totalBytes: BigInt(image.bytes),
    })),
  };
}

/** An image that is there in full, or damaged: of its layer nothing is left. */
export function resolveReply({
  image,
  names,
  isDamaged,
}: NamedImage & { readonly isDamaged: boolean }): MessageInitShape<typeof ResolveImageResponseSchema> {
  const missing = isDamaged ? image.blobs.at(-1) : undefined;
  return {
    target: targetOf(image),
    manifest: targetOf(image),
    names: [...names].sort(),
    configDigest: image.configDigest,
    blobs: image.blobs.map((blob) => ({
      descriptor: descriptor(blob),
      present: blob !== missing,
      unpacked: blob !== missing,
    })),
    complete: !isDamaged,
    incompleteMessage: isDamaged ? "LAYERS_MISSING" : "",
    runnable: !isDamaged,
  };
}

/** How far an import is. Bytes. */
export function progressReply(total: number, received: number): ImportReply {
  const value = { bytesTotal: BigInt(total), bytesTransferred: BigInt(received), bytesReused: 0n };
  return { event: { case: "progress", value } };
}

/** The end of an import that the kubelet would see. Bytes. */
export function resultReply(
  image: SimulatedImage,
  moved: { readonly transferred: number; readonly reused: number; readonly sources: readonly string[] },
  names: readonly string[],
): ImportReply {
  const value = {
    digest: image.digest,
    configDigest: image.configDigest,
    bytesTransferred: BigInt(moved.transferred),
    bytesReused: BigInt(moved.reused),
    sources: moved.sources.map((node) => ({ node, endpoint: "" })),
    visible: true,
    names: [...names],
  };
  return { event: { case: "result", value } };
}

function targetOf({ blobs }: SimulatedImage): MessageInitShape<typeof DescriptorSchema> {
  const [manifest] = blobs;
  if (manifest === undefined) throw new RangeError("an image has a manifest");
  return descriptor(manifest);
}

function descriptor({ digest, mediaType, size }: SimulatedBlob): MessageInitShape<typeof DescriptorSchema> {
  return { digest, mediaType, size: BigInt(size) };
}
