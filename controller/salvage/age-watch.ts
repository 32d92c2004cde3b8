/** How the ages of a record's times are known: `now` in milliseconds since 1970, `monotonic` of a clock that is never set. */
export interface AgeClock {
  readonly now: () => number;
  readonly monotonic: () => number;
}

interface Seen {
  /** monotonic milliseconds at which the record was looked at last */
  lookedAt: number | undefined;
  /** by the time's name: how old it was when it was first seen, and when that was by the monotonic clock */
  readonly times: Map<string, { readonly age: number; readonly at: number }>;
}

/**
 * Tells how old times in records are. They count as they were when they were first seen; from then on durations do, so that
 * a clock that is set makes nothing older. A time that was not there at the last look is no older than that look.
 */
export class AgeWatch {
  readonly #clock: AgeClock;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: AgeClock) {
    this.#clock = clock;
  }

  /**
   * The age of a time in milliseconds, at least 0.
   * @param key of the record
   * @param name tells this time from others of the record, and from those of another record of this key
   * @param time milliseconds since 1970
   */
  ageOf(key: string, name: string, time: number): number {
    const monotonic = this.#clock.monotonic();
    const seen = this.#entry(key);
    const known = seen.times.get(name);
    if (known !== undefined) return known.age + monotonic - known.at;
    const told = Math.max(0, this.#clock.now() - time);
    const age = seen.lookedAt === undefined ? told : Math.min(told, monotonic - seen.lookedAt);
    seen.times.set(name, { age, at: monotonic });
    return age;
  }

  /** The record has been looked at, with all that is in it. */
  looked(key: string): void {
    this.#entry(key).lookedAt = this.#clock.monotonic();
  }

  /** Forgets a record that is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
  }

  #entry(key: string): Seen {
    const seen = this.#seen.get(key) ?? { lookedAt: undefined, times: new Map() };
    this.#seen.set(key, seen);
    return seen;
  }
}
