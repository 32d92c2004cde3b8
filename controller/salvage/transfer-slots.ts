import { loadBySource, mustWait, type RunningTransfer, type TransferLimits } from "./admission.ts";

/** A transfer that has its place. */
export interface TransferSlot extends RunningTransfer {
  /** Gives the place back; those that wait are told. */
  release(): void;
}

/** Places for transfers, and the records that wait for one. */
export class TransferSlots {
  readonly #limits: TransferLimits;
  readonly #running = new Set<RunningTransfer>();
  /** keys of records, in the order in which they came */
  readonly #waiting = new Set<string>();
  readonly #onFree: (key: string) => void;

  /** @param options.onFree called with each record that waits, when a place has become free */
  constructor(options: { readonly limits: TransferLimits; readonly onFree: (key: string) => void }) {
    this.#limits = options.limits;
    this.#onFree = options.onFree;
  }

  /** How many transfers run. */
  get running(): number {
    return this.#running.size;
  }

  /** Transfers that may read from one node at the same time. */
  get perSource(): number {
    return this.#limits.perSource;
  }

  /** Why a transfer to this node cannot begin now; undefined when it can, as far as the target is concerned. */
  objection(targetNode: string): string | undefined {
    return mustWait(targetNode, [...this.#running], this.#limits);
  }

  /** How many transfers read from a node. */
  loadOf(node: string): number {
    return loadBySource([...this.#running]).get(node) ?? 0;
  }

  /** Has a record told when a place becomes free. */
  wait(key: string): void {
    this.#waiting.add(key);
  }

  /** Takes a place. */
  take(key: string, targetNode: string, sources: readonly string[]): TransferSlot {
    this.#waiting.delete(key);
    const transfer = { targetNode, sources };
    this.#running.add(transfer);
    return {
      ...transfer,
      release: () => {
        if (!this.#running.delete(transfer)) return;
        const waiting = [...this.#waiting];
        this.#waiting.clear();
        for (const other of waiting) this.#onFree(other);
      },
    };
  }
}
