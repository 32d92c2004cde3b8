/** A transfer as its agent sees it. */
export interface LedgerEntry {
  readonly target: string;
  readonly digest: string;
  /** nodes that the controller allowed it to read from */
  readonly sources: readonly string[];
}

/** The most transfers that ever ran at the same time. */
export interface Maxima {
  readonly total: number;
  /** to one node */
  readonly perTarget: number;
  /** that may read from one node */
  readonly perSource: number;
}

/** Keeps account of transfers over all agents of a fleet. */
export class Ledger {
  readonly #running = new Set<LedgerEntry>();
  readonly #begun: LedgerEntry[] = [];
  #maxima: Maxima = { total: 0, perTarget: 0, perSource: 0 };

  /** Transfers that have begun, in order. */
  get begun(): readonly LedgerEntry[] {
    return this.#begun;
  }

  get running(): readonly LedgerEntry[] {
    return [...this.#running];
  }

  get maxima(): Maxima {
    return this.#maxima;
  }

  /** Counts a transfer until the function returned is called. */
  begin(entry: LedgerEntry): () => void {
    this.#begun.push(entry);
    this.#running.add(entry);
    const all = [...this.#running];
    this.#maxima = {
      total: Math.max(this.#maxima.total, all.length),
      perTarget: Math.max(this.#maxima.perTarget, most(all.map(({ target }) => target))),
      perSource: Math.max(this.#maxima.perSource, most(all.flatMap(({ sources }) => sources))),
    };
    return () => void this.#running.delete(entry);
  }
}

function most(names: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}
