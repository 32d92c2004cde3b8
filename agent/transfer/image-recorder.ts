import { Code } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import type { ContentStore, Cri, Images } from "../containerd/types.ts";
import { IMAGE_LABELS } from "../image/labels.ts";
import type { Descriptor } from "../image/manifest.ts";
import type { WantedNames } from "../image/names.ts";
import { VISIBLE_TIMEOUT_MS } from "../limits.ts";
import { ImportError } from "./import-error.ts";

/** The part of containerd that is needed here. */
interface RecorderContainerd {
  readonly images: Images;
  readonly content: Pick<ContentStore, "info">;
  readonly cri: Pick<Cri, "imageStatus">;
}

/** Creates image records in CRI's own order and asks CRI whether it sees them. */
export class ImageRecorder {
  readonly #containerd: RecorderContainerd;
  readonly #clock: Clock;

  constructor(options: { readonly containerd: RecorderContainerd; readonly clock: Clock }) {
    this.#containerd = options.containerd;
    this.#clock = options.clock;
  }

  /**
   * Refuses tags that point at something else here: a salvage never moves a tag.
   * @throws ImportError failed_precondition naming the tag and both digests
   */
  async checkTags(names: WantedNames, digest: string, signal: AbortSignal): Promise<void> {
    for (const name of names.tags) {
      const record = await this.#containerd.images.get(name, { signal });
      if (record !== undefined && record.target.digest !== digest)
        throw tagConflict(name, record.target.digest, digest);
    }
  }

  /**
   * Creates the records: the config digest (CRI's image id), tags, "repo@digest". Those made by this call are removed
   * again when one cannot be made or the signal fires meanwhile. Answers all names, sorted.
   */
  async record(
    names: WantedNames,
    target: Descriptor,
    configDigest: string,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const all = [configDigest, ...names.tags, ...names.digests];
    const created: string[] = [];
    try {
      for (const name of all) {
        signal.throwIfAborted();
        // without the signal: of a call that is broken off nobody knows whether it has made the record
        if (await this.#ensure(name, target, name === configDigest)) created.push(name);
      }
      signal.throwIfAborted();
    } catch (error) {
      for (const name of created.toReversed()) await this.#containerd.images.delete(name, { target });
      throw error;
    }
    return all.sort();
  }

  /** Asks CRI for each name, as the kubelet would. Answers what is wrong, or undefined when all are visible. */
  async invisible(
    names: readonly string[],
    configDigest: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const until = this.#clock.monotonic() + VISIBLE_TIMEOUT_MS;
    for (const name of names) {
      for (;;) {
        const seen = await this.#containerd.cri.imageStatus(name, { signal });
        if (seen?.id === configDigest) break;
        if (this.#clock.monotonic() >= until) {
          const what = seen === undefined ? "does not have it" : `has ${seen.id} for it`;
          return `CRI was asked for ${name} for ${VISIBLE_TIMEOUT_MS / 1000} s and ${what}, expected ${configDigest}`;
        }
        await this.#clock.sleep(20, signal);
      }
    }
    return undefined;
  }

  /** Answers whether the record is new. */
  async #ensure(name: string, target: Descriptor, isId: boolean): Promise<boolean> {
    const { images, content } = this.#containerd;
    const record = { name, target, labels: IMAGE_LABELS };
    for (;;) {
      if ((await images.create(record)) === "created") return true;
      const existing = await images.get(name);
      if (existing === undefined) continue;
      const isOther = existing.target.digest !== target.digest;
      if (isOther && !isId) throw tagConflict(name, existing.target.digest, target.digest);
      // the same config may be known through another index: leave that alone while its content is here
      const repoint = isOther && (await content.info(existing.target.digest)) === undefined;
      const labels = Object.keys(IMAGE_LABELS).map((key) => `labels.${key}`);
      // an update also makes CRI look again at an image that it took for missing
      await images.update(
        { ...existing, ...(repoint && { target }), labels: { ...existing.labels, ...IMAGE_LABELS } },
        repoint ? ["target", ...labels] : labels,
      );
      return false;
    }
  }
}

function tagConflict(name: string, here: string, wanted: string): ImportError {
  return new ImportError(
    Code.FailedPrecondition,
    `${name} exists on this node with ${here}, the import is ${wanted}: a tag is never moved`,
    { retryable: false },
  );
}
