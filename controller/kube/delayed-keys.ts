import type { Clock } from "../../lib/clock.ts";
import type { Priority } from "./ready-keys.ts";

interface Delayed {
  readonly key: string;
  readonly priority: Priority;
  /** monotonic milliseconds */
  readonly at: number;
}

/** Keys that are not to be worked on yet, each once, with one timer for the first of them. */
export class DelayedKeys {
  readonly #clock: Clock;
  readonly #onDue: (key: string, priority: Priority) => void;
  /** what counts, by key */
  readonly #keys = new Map<string, Delayed>();
  /** a binary heap by time; an entry that is not the one in #keys has been replaced */
  readonly #heap: Delayed[] = [];
  #timer: { readonly at: number; readonly stop: AbortController } | undefined;

  constructor(clock: Clock, onDue: (key: string, priority: Priority) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#keys.size;
  }

  add(key: string, delayMs: number, priority: Priority): void {
    const entry = { key, priority, at: this.#clock.monotonic() + delayMs };
    const known = this.#keys.get(key);
    if (known !== undefined && known.at <= entry.at) return;
    this.#keys.set(key, entry);
    push(this.#heap, entry);
    this.#arm();
  }

  close(): void {
    this.#timer?.stop.abort();
    this.#timer = undefined;
    this.#keys.clear();
    this.#heap.length = 0;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#timer !== undefined && this.#timer.at <= first.at)) return;
    this.#timer?.stop.abort();
    const stop = new AbortController();
    this.#timer = { at: first.at, stop };
    this.#clock.sleep(Math.max(0, first.at - this.#clock.monotonic()), stop.signal).then(
      () => this.#ring(),
      // stopped, because another key comes first or the queue is closed
      () => undefined,
    );
  }

  #ring(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      pop(this.#heap);
      if (this.#keys.get(first.key) !== first) continue;
      this.#keys.delete(first.key);
      this.#onDue(first.key, first.priority);
    }
    this.#arm();
  }
}

function push(heap: Delayed[], entry: Delayed): void {
  let at = heap.length;
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || parent.at <= entry.at) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = entry;
}

function pop(heap: Delayed[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const childAt = smallerChild(heap, at);
    const child = heap[childAt];
    if (child === undefined || child.at >= last.at) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = last;
}

function smallerChild(heap: readonly Delayed[], at: number): number {
  const left = 2 * at + 1;
  const right = left + 1;
  return (heap[right]?.at ?? Infinity) < (heap[left]?.at ?? Infinity) ? right : left;
}
