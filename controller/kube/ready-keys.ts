/** What is done first, first. */
export const PRIORITIES = ["high", "normal", "low"] as const;

/** How urgent a key is: the values of the annotation `tote.dev/priority`. */
export type Priority = (typeof PRIORITIES)[number];

/** A key that waits. */
export interface ReadyKey {
  readonly key: string;
  readonly priority: Priority;
  /** monotonic milliseconds */
  readonly since: number;
}

/** Keys that wait, each once: by priority, and in order of arrival within one. */
export class ReadyKeys {
  /** by priority: key to when it was added; a Map keeps the order */
  readonly #lines: Readonly<Record<Priority, Map<string, number>>> = {
    high: new Map(),
    normal: new Map(),
    low: new Map(),
  };

  count(priority: Priority): number {
    return this.#lines[priority].size;
  }

  /** When the first of a line was added that waits longest. */
  oldest(): number | undefined {
    const heads = PRIORITIES.flatMap((priority) => this.#lines[priority].values().next().value ?? []);
    return heads.length === 0 ? undefined : Math.min(...heads);
  }

  /**
   * Adds a key; one that waits with a lower priority moves up, and counts as waiting since it first came.
   * @returns whether it is new
   */
  add(key: string, priority: Priority, now: number): boolean {
    const held = PRIORITIES.find((candidate) => this.#lines[candidate].has(key));
    if (held === undefined) {
      this.#lines[priority].set(key, now);
      return true;
    }
    if (PRIORITIES.indexOf(priority) < PRIORITIES.indexOf(held)) {
      this.#lines[priority].set(key, this.#lines[held].get(key) ?? now);
      this.#lines[held].delete(key);
    }
    return false;
  }

  /** Takes the most urgent key out. */
  take(): ReadyKey | undefined {
    for (const priority of PRIORITIES) {
      const line = this.#lines[priority];
      const [first] = line;
      if (first === undefined) continue;
      const [key, since] = first;
      line.delete(key);
      return { key, priority, since };
    }
    return undefined;
  }

  clear(): void {
    for (const priority of PRIORITIES) this.#lines[priority].clear();
  }
}
