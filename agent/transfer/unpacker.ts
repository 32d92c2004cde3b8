import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { isNoSpace, isUnavailable } from "../containerd/errors.ts";
import type { Containerd } from "../containerd/types.ts";
import type { Layer } from "../image/tree.ts";
import { layerLabels } from "../image/labels.ts";
import { findUnpackedDepth } from "../image/presence.ts";
import { APPLY_TIMEOUT_MS } from "../limits.ts";
import { EXTRACT_PREFIX } from "./import-leases.ts";
import { ImportError } from "./import-error.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { outlastRestarts } from "./outlast.ts";

/** The part of containerd that unpacking takes. */
export type UnpackerContainerd = Pick<Containerd, "snapshots" | "diff" | "waitReady"> & {
  readonly content: Pick<Containerd["content"], "setLabels">;
  readonly leases: Pick<Containerd["leases"], "addResource">;
};

/** Where and under what lease to unpack. */
export interface UnpackContext {
  readonly snapshotter: string;
  readonly lease: string;
  readonly signal: AbortSignal;
}

/** A layer that does not unpack, or to something else than the image's config says. */
export class LayerError extends ImportError {}

/** Unpacks layers into snapshots, as containerd's own client does when it pulls. */
export class Unpacker {
  readonly #containerd: UnpackerContainerd;
  readonly #locks: KeyedLock;
  readonly #clock: Clock;
  readonly #randomId: () => string;

  constructor(options: {
    readonly containerd: UnpackerContainerd;
    readonly locks: KeyedLock;
    readonly clock: Clock;
    readonly randomId: () => string;
  }) {
    this.#containerd = options.containerd;
    this.#locks = options.locks;
    this.#clock = options.clock;
    this.#randomId = options.randomId;
  }

  /**
   * How many layers from the bottom are unpacked here already. The topmost of them is put into the lease, which keeps
   * those below it too.
   */
  async unpackedDepth(layers: readonly Layer[], context: UnpackContext): Promise<number> {
    const { snapshots } = this.#containerd;
    let depth = layers.length;
    for (;;) {
      const below = layers.slice(0, depth);
      depth = await findUnpackedDepth(snapshots, below, context.snapshotter, context.signal);
      const chainId = layers[depth - 1]?.chainId;
      if (chainId === undefined || (await this.#holds(chainId, context))) return depth;
    }
  }

  /**
   * Unpacks `layer`, which was not unpacked a moment ago, on top of `below`; its blob must be in the content store. When
   * somebody else has unpacked it since, theirs is taken.
   * @throws LayerError data_loss when the layer unpacks to something else than the config says, failed_precondition when
   * it does not unpack; errors of containerd that goes away or has no space as they are
   */
  async unpack(layer: Layer, below: Layer | undefined, context: UnpackContext): Promise<void> {
    const { signal } = context;
    // containerd is asked only if another import has just worked on the layer, or containerd went away meanwhile
    let isMadePerhaps = this.#locks.isHeld(layer.chainId);
    const work = async (): Promise<void> => {
      if (isMadePerhaps && (await this.#holds(layer.chainId, context))) return;
      isMadePerhaps = true;
      while ((await this.#apply(layer, below, context)) === "exists") {
        if (await this.#holds(layer.chainId, context)) return;
      }
    };
    await this.#locks.run(layer.chainId, signal, () =>
      outlastRestarts(work, { containerd: this.#containerd, clock: this.#clock, signal }),
    );
  }

  /** Writes at a layer's blob what it has unpacked to, as containerd's own client does. */
  async mark({ digest, diffId }: Layer, signal: AbortSignal): Promise<void> {
    const work = (): Promise<void> =>
      this.#containerd.content.setLabels(digest, layerLabels(diffId), { signal });
    await outlastRestarts(work, { containerd: this.#containerd, clock: this.#clock, signal });
  }

  /** Whether the snapshot exists; it is in the lease then. */
  async #holds(chainId: string, { snapshotter, lease, signal }: UnpackContext): Promise<boolean> {
    const { snapshots, leases } = this.#containerd;
    if ((await snapshots.stat(snapshotter, chainId, { signal })) === undefined) return false;
    await leases.addResource(lease, { id: chainId, type: `snapshots/${snapshotter}` }, { signal });
    // garbage collection may have come in between
    return (await snapshots.stat(snapshotter, chainId, { signal })) !== undefined;
  }

  /** "exists": somebody else was first. */
  async #apply(
    layer: Layer,
    below: Layer | undefined,
    context: UnpackContext,
  ): Promise<"committed" | "exists"> {
    const { snapshots, diff } = this.#containerd;
    const { snapshotter, lease, signal } = context;
    const key = `${EXTRACT_PREFIX}${this.#randomId()} ${layer.chainId}`;
    const mounts = await snapshots.prepare({ snapshotter, key, parent: below?.chainId ?? "", lease, signal });
    let outcome: "committed" | "exists" | undefined;
    try {
      const applied = await diff
        .apply({ diff: layer, mounts, lease, signal, timeoutMs: APPLY_TIMEOUT_MS })
        .catch((error: unknown) => {
          throw unpackError(layer, error);
        });
      if (applied.digest !== layer.diffId) {
        throw new LayerError(
          Code.DataLoss,
          `layer ${layer.digest} unpacks to ${applied.digest}, the image's config says ${layer.diffId}`,
          { retryable: false },
        );
      }
      outcome = await snapshots.commit({ snapshotter, name: layer.chainId, key, lease, signal });
      return outcome;
    } finally {
      // also when the signal has fired: the snapshot would take room until the lease goes
      if (outcome !== "committed") await this.#removeQuietly(snapshotter, key);
    }
  }

  /** A snapshot that cannot be removed now goes with its lease. */
  async #removeQuietly(snapshotter: string, key: string): Promise<void> {
    await this.#containerd.snapshots.remove(snapshotter, key).catch(() => undefined);
  }
}

function unpackError(layer: Layer, error: unknown): unknown {
  if (isUnavailable(error) || isNoSpace(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new LayerError(Code.FailedPrecondition, `layer ${layer.digest} does not unpack: ${message}`, {
    retryable: false,
    cause: error,
  });
}
