import type { SalvageRecord } from "../objects/salvage-record.ts";
import { keyOf } from "../kube/resources.ts";
import { isStalled } from "./record-state.ts";

/**
 * Tells which open records have not moved for so long that they must end. The times in a record count as they were when it
 * was first seen so; from then on durations do, so that a clock that is set ends nothing.
 */
export class StallWatch {
  readonly #now: () => number;
  readonly #monotonic: () => number;
  /** by key: what it said of its last progress, and when that was seen first by either clock */
  readonly #seen = new Map<string, { readonly mark: string; readonly now: number; readonly at: number }>();

  /** @param options.now milliseconds since 1970; `monotonic` those of a clock that is never set */
  constructor(options: { readonly now: () => number; readonly monotonic: () => number }) {
    this.#now = options.now;
    this.#monotonic = options.monotonic;
  }

  isStalled(record: SalvageRecord): boolean {
    const { metadata, status } = record;
    const key = keyOf(metadata);
    const mark = `${metadata.uid} ${status.progressAt ?? ""}`;
    const known = this.#seen.get(key);
    const seen = known?.mark === mark ? known : { mark, now: this.#now(), at: this.#monotonic() };
    this.#seen.set(key, seen);
    return isStalled(record, seen.now + this.#monotonic() - seen.at);
  }

  /** Forgets a record that has ended or is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
  }
}
