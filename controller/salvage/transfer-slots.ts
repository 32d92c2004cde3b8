import { PRIORITIES, type Priority } from "../kube/ready-keys.ts";
import { loadBySource, mustWait, type RunningTransfer, type TransferLimits } from "./admission.ts";

/** A transfer that has its place. */
export interface TransferSlot extends RunningTransfer {
  /** Gives the place back; of those that wait for each node the first is told. */
  release(): void;
}

/** A record that waits for a place. */
interface Waiter {
  readonly targetNode: string;
  readonly priority: Priority;
  /** grows with arrival */
  readonly order: number;
  /** it was told and cannot come, its sources are busy: whoever comes after it may go first */
  readonly wasTold: boolean;
}

/** Places for transfers, and the records that wait for one: by priority, and in the order in which they came. */
export class TransferSlots {
  readonly #limits: TransferLimits;
  readonly #running = new Set<RunningTransfer>();
  readonly #waiting = new Map<string, Waiter>();
  /** told that there is a place, and not settled yet: others for the same node stand back */
  readonly #told = new Map<string, Waiter>();
  readonly #onFree: (key: string, priority: Priority) => void;
  #arrivals = 0;

  /**
   * @param options.onFree called with a record that may come now; {@link settled} must follow once it has been looked at,
   * whatever came of it
   */
  constructor(options: {
    readonly limits: TransferLimits;
    readonly onFree: (key: string, priority: Priority) => void;
  }) {
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

  /** Why a record's transfer to this node cannot begin now; undefined when it can, as far as the target is concerned. */
  objection(key: string, targetNode: string): string | undefined {
    const objection = mustWait(targetNode, [...this.#running], this.#limits);
    if (objection !== undefined || this.#told.has(key)) return objection;
    const other = [...this.#told].find(([, waiter]) => waiter.targetNode === targetNode)?.[0];
    return other === undefined ? undefined : `${other} goes first`;
  }

  /** How many transfers read from a node. */
  loadOf(node: string): number {
    return loadBySource([...this.#running]).get(node) ?? 0;
  }

  /** Has a record told when it may come. */
  wait(key: string, targetNode: string, priority: Priority): void {
    const told = this.#told.get(key);
    const { order, wasTold } = told ?? this.#waiting.get(key) ?? this.#arrival();
    this.#waiting.set(key, { targetNode, priority, order, wasTold: told !== undefined || wasTold });
  }

  /** A record has been looked at: it runs, waits again, or does not want a place any more. */
  settled(key: string): void {
    const waiter = this.#told.get(key);
    if (waiter === undefined) return;
    this.#told.delete(key);
    this.#tellNext(waiter.targetNode);
  }

  /** Takes a place. */
  take(key: string, targetNode: string, sources: readonly string[]): TransferSlot {
    this.#waiting.delete(key);
    const transfer = { targetNode, sources };
    this.#running.add(transfer);
    return {
      ...transfer,
      release: () => {
        if (this.#running.delete(transfer)) this.#tellAll();
      },
    };
  }

  /** Something is free again: a target, a source, or both. */
  #tellAll(): void {
    for (const [key, waiter] of this.#waiting) this.#waiting.set(key, { ...waiter, wasTold: false });
    const targets = this.#inOrder().map(([, { targetNode }]) => targetNode);
    for (const targetNode of new Set(targets)) this.#tellNext(targetNode);
  }

  #tellNext(targetNode: string): void {
    if (mustWait(targetNode, [...this.#running], this.#limits) !== undefined) return;
    if ([...this.#told.values()].some((waiter) => waiter.targetNode === targetNode)) return;
    const next = this.#inOrder().find(([, waiter]) => waiter.targetNode === targetNode && !waiter.wasTold);
    if (next === undefined) return;
    const [key, waiter] = next;
    this.#waiting.delete(key);
    this.#told.set(key, waiter);
    this.#onFree(key, waiter.priority);
  }

  #inOrder(): readonly (readonly [string, Waiter])[] {
    return [...this.#waiting].sort(
      ([, one], [, other]) =>
        PRIORITIES.indexOf(one.priority) - PRIORITIES.indexOf(other.priority) || one.order - other.order,
    );
  }

  #arrival(): Pick<Waiter, "order" | "wasTold"> {
    this.#arrivals += 1;
    return { order: this.#arrivals, wasTold: false };
  }
}
