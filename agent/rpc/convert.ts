/** From the agent's own types to the messages of AgentService. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { GrantError } from "../../lib/grant-error.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import type { IncompleteReason as LocalReason, ListedImage, LocalImage } from "../image/local-images.ts";
import { InvalidImageError, type Descriptor } from "../image/manifest.ts";
import { NameMismatchError } from "../image/names.ts";
import type { Platform } from "../image/platform.ts";
import { blobsOf } from "../image/tree.ts";
import { ImportError } from "../transfer/import-error.ts";
import type { ImportResult } from "../transfer/import-job.ts";
import { ImportFailedError } from "../transfer/import-manager.ts";
import type { ImportProgress } from "../transfer/import-progress.ts";
import {
  ImportFailureSchema,
  ImportPhase,
  IncompleteReason,
  LayerState,
  type ImageSchema,
  type ImportProgressSchema,
  type ImportResultSchema,
  type ResolveImageResponseSchema,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";

const REASONS: Readonly<Record<LocalReason, IncompleteReason>> = {
  METADATA_MISSING: IncompleteReason.METADATA_MISSING,
  LAYERS_DISCARDED: IncompleteReason.LAYERS_DISCARDED,
  LAYERS_MISSING: IncompleteReason.LAYERS_MISSING,
  NO_PLATFORM: IncompleteReason.NO_PLATFORM,
};

const PHASES: Readonly<Record<ImportProgress["phase"], ImportPhase>> = {
  resolving: ImportPhase.RESOLVING,
  transferring: ImportPhase.TRANSFERRING,
  recording: ImportPhase.RECORDING,
  verifying: ImportPhase.VERIFYING,
};

const STATES: Readonly<Record<ImportProgress["layers"][number]["state"], LayerState>> = {
  waiting: LayerState.WAITING,
  fetching: LayerState.FETCHING,
  fetched: LayerState.FETCHED,
  unpacking: LayerState.UNPACKING,
  unpacked: LayerState.UNPACKED,
};

/** The answer of ResolveImage. */
export function resolveMessage(
  image: LocalImage,
  platform: Platform,
): MessageInitShape<typeof ResolveImageResponseSchema> {
  const { tree, presence, incomplete } = image;
  const unpacked = new Set(tree?.layers.slice(0, presence.unpackedDepth).map((layer) => layer.digest));
  return {
    target: descriptorMessage(image.target),
    names: [...image.names],
    ...(tree !== undefined && {
      manifest: descriptorMessage(tree.manifest),
      configDigest: tree.config.digest,
    }),
    blobs: (tree === undefined ? [] : blobsOf(tree)).map((blob) => ({
      descriptor: descriptorMessage(blob),
      present: presence.blobs.has(blob.digest),
      unpacked: unpacked.has(blob.digest),
    })),
    complete: incomplete === undefined,
    incompleteReason: incomplete === undefined ? IncompleteReason.UNSPECIFIED : REASONS[incomplete.reason],
    incompleteMessage: incomplete?.message ?? "",
    platform,
    runnable: image.isRunnable,
  };
}

/** One entry of ListImages. */
export function imageMessage(image: ListedImage): MessageInitShape<typeof ImageSchema> {
  return {
    target: descriptorMessage(image.target),
    names: [...image.names],
    complete: image.isComplete,
    pinned: image.isPinned,
    totalBytes: BigInt(image.totalBytes),
  };
}

/** A progress message of ImportImage. */
export function progressMessage(progress: ImportProgress): MessageInitShape<typeof ImportProgressSchema> {
  return {
    phase: PHASES[progress.phase],
    bytesTotal: BigInt(progress.bytesTotal),
    bytesTransferred: BigInt(progress.bytesTransferred),
    bytesReused: BigInt(progress.bytesReused),
    layers: progress.layers.map((layer) => ({
      digest: layer.digest,
      size: BigInt(layer.size),
      offset: BigInt(layer.offset),
      state: STATES[layer.state],
      source: layer.source,
    })),
  };
}

/** The last message of ImportImage. */
export function resultMessage(result: ImportResult): MessageInitShape<typeof ImportResultSchema> {
  return {
    digest: result.digest,
    configDigest: result.configDigest,
    bytesTransferred: BigInt(result.bytesTransferred),
    bytesReused: BigInt(result.bytesReused),
    sources: [...result.sources],
    durationMs: BigInt(result.durationMs),
    visible: result.visible,
    names: [...result.names],
    message: result.message,
  };
}

/** The one place that turns what the agent throws into Connect errors; others pass as they are. */
export function toConnectError(error: unknown): unknown {
  if (error instanceof ImportFailedError) {
    const { outcome } = error;
    const detail = create(ImportFailureSchema, {
      retryable: outcome.error.retryable,
      bytesResumable: BigInt(outcome.bytesResumable),
      sources: outcome.sources.map(({ source, message }) => ({ source, message })),
    });
    const details = [{ desc: ImportFailureSchema, value: detail }];
    return new ConnectError(outcome.error.message, outcome.error.code, undefined, details, error);
  }
  if (error instanceof ImportError) {
    const detail = create(ImportFailureSchema, { retryable: error.retryable });
    const details = [{ desc: ImportFailureSchema, value: detail }];
    return new ConnectError(error.message, error.code, undefined, details, error);
  }
  if (error instanceof InvalidValueError || error instanceof NameMismatchError) {
    return new ConnectError(error.message, Code.InvalidArgument, undefined, undefined, error);
  }
  if (error instanceof InvalidImageError) {
    return new ConnectError(error.message, Code.FailedPrecondition, undefined, undefined, error);
  }
  if (error instanceof GrantError) {
    return new ConnectError(error.message, Code.PermissionDenied, undefined, undefined, error);
  }
  return error;
}

function descriptorMessage({ mediaType, digest, size }: Descriptor): {
  mediaType: string;
  digest: string;
  size: bigint;
} {
  return { mediaType, digest, size: BigInt(size) };
}
