import type { RelayMetrics } from "./metrics.ts";
import type { StoreError, StoreErrorKind } from "./store/database.ts";

/** What says something about the disk, not about what was to be written. */
const DISK_FAILURES: ReadonlySet<StoreErrorKind> = new Set(["full", "read_only", "io", "broken"]);

/**
 * Whether the store takes events: the metric, readiness and the page all go by it. The newest write that was tried decides,
 * an event's or one of the housekeeper's.
 */
export class Writability {
  readonly #metrics: Pick<RelayMetrics, "storeWritable">;
  #isFull = false;
  #failure = "";

  constructor(metrics: Pick<RelayMetrics, "storeWritable">) {
    this.#metrics = metrics;
    this.#tell();
  }

  /** Whether the store is as large as it may be although everything that may go is gone. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether the newest write has failed. */
  get hasFailed(): boolean {
    return this.#failure !== "";
  }

  /** Why events are refused, for people; "" while they are taken. */
  get problem(): string {
    if (this.#isFull) return "the store is as large as it may be";
    return this.#failure === "" ? "" : `the store cannot be written: ${this.#failure}`;
  }

  /** The store is as large as it may be, or not any more. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull;
    this.#tell();
  }

  /** Something was written. */
  succeeded(): void {
    if (!this.hasFailed) return;
    this.#failure = "";
    this.#tell();
  }

  /** Something could not be written. */
  failed({ kind, message }: StoreError): void {
    if (!DISK_FAILURES.has(kind)) return;
    this.#failure = message;
    this.#tell();
  }

  #tell(): void {
    this.#metrics.storeWritable(this.problem === "");
  }
}
