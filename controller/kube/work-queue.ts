import type { Clock } from "../../lib/clock.ts";
import { exponential } from "./backoff.ts";
import { DelayedKeys } from "./delayed-keys.ts";
import { PRIORITIES, ReadyKeys, type Priority } from "./ready-keys.ts";

/** Counts what a queue does. Times in milliseconds. */
export interface QueueObserver {
  readonly added: () => void;
  /** a key was taken after it had waited so long */
  readonly taken: (waitedMs: number) => void;
  /** a key was done after so long */
  readonly done: (workedMs: number) => void;
  readonly retried: () => void;
}

/** What a queue works with. */
export interface WorkQueueOptions {
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  /** milliseconds before the first retry of a key, default 500; doubles with each */
  readonly baseDelayMs?: number;
  /** milliseconds, longest pause before a retry, default 5 minutes */
  readonly maxDelayMs?: number;
  readonly observer?: QueueObserver;
}

/** A key to be worked on, and how urgent it was. */
export interface WorkItem {
  readonly key: string;
  readonly priority: Priority;
}

/** How many keys are where. */
export interface QueueDepth {
  readonly ready: Readonly<Record<Priority, number>>;
  readonly processing: number;
  readonly delayed: number;
}

/**
 * Keys to be worked on, with the rules of client-go's workqueue: a key is queued once however often it is added; it is
 * never processed twice at the same time; added while it is processed, it is queued again when that is done.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #observer: QueueObserver | undefined;
  readonly #ready = new ReadyKeys();
  readonly #delayed: DelayedKeys;
  /** taken and not done: since when */
  readonly #processing = new Map<string, number>();
  /** added while they were processed */
  readonly #again = new Map<string, Priority>();
  readonly #failures = new Map<string, number>();
  readonly #waiters: ((item: WorkItem) => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#baseDelayMs = options.baseDelayMs ?? 500;
    this.#maxDelayMs = options.maxDelayMs ?? 5 * 60_000;
    this.#observer = options.observer;
    this.#delayed = new DelayedKeys(options.clock, (key, priority) => this.add(key, priority));
  }

  get depth(): QueueDepth {
    const ready = Object.fromEntries(PRIORITIES.map((priority) => [priority, this.#ready.count(priority)]));
    return {
      ready: { high: 0, normal: 0, low: 0, ...ready },
      processing: this.#processing.size,
      delayed: this.#delayed.size,
    };
  }

  /** Milliseconds that the oldest key waits; 0 when none does. */
  get oldestMs(): number {
    const since = this.#ready.oldest();
    return since === undefined ? 0 : this.#clock.monotonic() - since;
  }

  /** Milliseconds that the longest running key has been processed; 0 when none is. */
  get longestMs(): number {
    const [since] = this.#processing.values();
    return since === undefined ? 0 : this.#clock.monotonic() - since;
  }

  /** Queues a key. One that is queued already takes the higher priority of the two. */
  add(key: string, priority: Priority = "normal"): void {
    if (this.#processing.has(key)) {
      if (!this.#again.has(key)) this.#observer?.added();
      this.#again.set(key, higher(this.#again.get(key), priority));
      return;
    }
    if (this.#ready.add(key, priority, this.#clock.monotonic())) this.#observer?.added();
    this.#serve();
  }

  /** Queues a key later. When it is to be queued later already, the sooner counts. */
  addAfter(key: string, delayMs: number, priority: Priority = "normal"): void {
    if (delayMs <= 0) this.add(key, priority);
    else this.#delayed.add(key, delayMs, priority);
  }

  /**
   * Queues a key after a pause that grows with every call until {@link forget}.
   * @param atLeastMs what somebody else asked for, e.g. Retry-After
   */
  addRateLimited(key: string, priority: Priority = "normal", atLeastMs = 0): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#observer?.retried();
    const bound = exponential(this.#baseDelayMs, this.#maxDelayMs, failures);
    // at least half of it: keys that failed together do not come back together, but none comes back at once
    this.addAfter(key, Math.max(atLeastMs, bound * (0.5 + this.#random() / 2)), priority);
  }

  /** How often a key failed in a row. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Forgets the failures of a key: it worked, or shall not be tried any more. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Waits for a key and takes it; it must be given back with {@link done}.
   * @throws the reason of `signal`
   */
  async take(signal: AbortSignal): Promise<WorkItem> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<WorkItem>();
    const onAbort = (): void => {
      const at = this.#waiters.indexOf(resolve);
      if (at >= 0) this.#waiters.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiters.push(resolve);
    this.#serve();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A key that was taken has been processed. */
  done(key: string): void {
    const since = this.#processing.get(key);
    if (since === undefined) return;
    this.#observer?.done(this.#clock.monotonic() - since);
    this.#processing.delete(key);
    const again = this.#again.get(key);
    if (again === undefined) return;
    this.#again.delete(key);
    this.#ready.add(key, again, this.#clock.monotonic());
    this.#serve();
  }

  /** Drops all that waits, and every timer. */
  close(): void {
    this.#delayed.close();
    this.#ready.clear();
    this.#again.clear();
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const next = this.#ready.take();
      if (next === undefined) return;
      const now = this.#clock.monotonic();
      this.#processing.set(next.key, now);
      this.#observer?.taken(now - next.since);
      this.#waiters.shift()?.({ key: next.key, priority: next.priority });
    }
  }
}

function higher(one: Priority | undefined, other: Priority): Priority {
  if (one === undefined) return other;
  return PRIORITIES.indexOf(one) <= PRIORITIES.indexOf(other) ? one : other;
}
