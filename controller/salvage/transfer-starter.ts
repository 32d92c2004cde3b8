import { isDigest } from "../../lib/digest.ts";
import type { ImportTask } from "../agents/import-driver.ts";
import type { Priority } from "../kube/ready-keys.ts";
import { keyOf } from "../kube/resources.ts";
import type { Outcome } from "../kube/workers.ts";
import type { SalvagePlan, SalvageRecord } from "../objects/salvage-record.ts";
import type { FoundImage, ImageFinder } from "./image-finder.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import { chooseSources, type SourceChoice } from "./sources.ts";
import type { TransferSlots } from "./transfer-slots.ts";
import type { Transfers } from "./transfers.ts";

/** Pause before sources are looked for again when there are none just now, in milliseconds. */
const NO_SOURCE_PAUSE_MS = 15_000;

/** What starting a transfer needs. */
export interface TransferStarterOptions {
  readonly finder: ImageFinder;
  readonly keeper: RecordKeeper;
  readonly slots: TransferSlots;
  readonly transfers: Transfers;
  /** of the leader's term */
  readonly epoch: number;
}

/** Starts the transfer of an authorised plan when there is a place and a source for it. */
export class TransferStarter {
  readonly #options: TransferStarterOptions;

  constructor(options: TransferStarterOptions) {
    this.#options = options;
  }

  /** Starts, or has the record wait for its turn. Digest, names and target are those of the plan and nothing else. */
  async start(
    record: SalvageRecord,
    plan: SalvagePlan,
    priority: Priority,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { finder, keeper, slots, transfers } = this.#options;
    const key = keyOf(record.metadata);
    const pause = transfers.pauseOf(key);
    if (pause > 0) return { kind: "again", afterMs: pause };
    if (!isDigest(plan.digest)) {
      return await this.#fail(
        record,
        "TransferFailed",
        `the plan has no legal digest: ${plan.digest}`,
        signal,
      );
    }
    if (slots.objection(key, plan.targetNode) !== undefined) {
      slots.wait(key, plan.targetNode, priority);
      return { kind: "done" };
    }
    const found = await finder.locate(plan.targetNode, plan.digest, signal);
    const isHere = found.onTarget?.isRunnable === true;
    const choice = this.#choose(key, found);
    if (choice.kind === "busy" && !isHere) {
      slots.wait(key, plan.targetNode, priority);
      return { kind: "done" };
    }
    if (choice.kind === "none" && !isHere) {
      if (transfers.excluded(key, "for good").size > 0) {
        return await this.#fail(record, "SourcesExhausted", choice.message, signal);
      }
      return { kind: "again", afterMs: NO_SOURCE_PAUSE_MS };
    }
    // looking took a while, another may have been faster
    if (slots.objection(key, plan.targetNode) !== undefined) {
      slots.wait(key, plan.targetNode, priority);
      return { kind: "done" };
    }
    const sources = isHere || choice.kind !== "sources" ? [] : choice.sources;
    const slot = slots.take(key, plan.targetNode, sources);
    try {
      const started = await keeper.change(record, { type: "started", sources }, signal);
      const task = { ...this.#task(key, plan), sources, blobs: blobsOf(found, sources) };
      transfers.start(started, task, slot);
    } catch (error) {
      slot.release();
      throw error;
    }
    return { kind: "again", afterMs: 10_000 };
  }

  /** Has the import of a plan stopped that may run without this process. Never rejects but for the signal. */
  async cancelLeft(key: string, plan: SalvagePlan, signal: AbortSignal): Promise<void> {
    await this.#options.transfers.cancelLeft(this.#task(key, plan), signal);
  }

  /** A record has been looked at: if it had been offered a place and did not take it, another may. */
  settled(key: string): void {
    this.#options.slots.settled(key);
  }

  /** The import that a plan asks for, but for the blobs of its sources. */
  #task(key: string, { digest, names, targetNode, sources, maxBytes }: SalvagePlan): ImportTask {
    return {
      digest,
      names,
      targetNode,
      sources,
      blobs: [],
      maxBytes,
      record: key,
      epoch: this.#options.epoch,
    };
  }

  #choose(key: string, found: FoundImage): SourceChoice {
    const { slots, transfers } = this.#options;
    const candidates = found.candidates.map((candidate) => ({
      ...candidate,
      load: slots.loadOf(candidate.name),
    }));
    const facts = { target: found.target, candidates, perSource: slots.perSource };
    const choice = chooseSources({ ...facts, excluded: transfers.excluded(key, "for now") });
    // those that failed a while ago are better than none
    return choice.kind === "none"
      ? chooseSources({ ...facts, excluded: transfers.excluded(key, "for good") })
      : choice;
  }

  async #fail(
    record: SalvageRecord,
    reason: "SourcesExhausted" | "TransferFailed",
    message: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    await this.#options.keeper.change(record, { type: "failed", reason, message }, signal);
    return { kind: "done" };
  }
}

/** Every blob that any of the sources may be asked for. */
function blobsOf(found: FoundImage, sources: readonly string[]): readonly string[] {
  const images = sources.flatMap((source) => found.images.get(source) ?? []);
  return [...new Set(images.flatMap((image) => image.blobs.map(({ digest }) => digest)))];
}
