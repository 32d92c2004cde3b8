/** What an agent says about an image on its node. */

import { isDigest, type Digest } from "../../lib/digest.ts";
import type { ResolveImageResponse } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { BlobState } from "../salvage/room.ts";

/** One blob, as a node has it. */
export interface NodeBlob extends BlobState {
  readonly digest: string;
}

/** An image on a node. */
export interface NodeImage {
  readonly digest: Digest;
  /** every name there that points at it */
  readonly names: readonly string[];
  readonly configDigest: string;
  /** all that its platform needs, present or not; empty when the manifest is missing */
  readonly blobs: readonly NodeBlob[];
  /** every blob can be served from there */
  readonly isComplete: boolean;
  /** why not, "" when complete */
  readonly incomplete: string;
  /** it can be run there */
  readonly isRunnable: boolean;
}

/**
 * Reads the answer of ResolveImage.
 * @returns undefined when it names no digest: not the answer of an agent
 */
export function readNodeImage(answer: ResolveImageResponse): NodeImage | undefined {
  const digest = answer.target?.digest ?? "";
  if (!isDigest(digest)) return undefined;
  return {
    digest,
    names: [...answer.names],
    configDigest: answer.configDigest,
    blobs: answer.blobs.map(({ descriptor, present, unpacked }) => ({
      digest: descriptor?.digest ?? "",
      mediaType: descriptor?.mediaType ?? "",
      size: Number(descriptor?.size ?? 0n),
      present,
      unpacked,
    })),
    isComplete: answer.complete,
    incomplete: answer.complete ? "" : answer.incompleteMessage || "it has not got all of it",
    isRunnable: answer.runnable,
  };
}
