import { orAbort } from "../../lib/abort.ts";

/** A lock per key, first come first served: two imports never write the same blob or unpack the same layer at once. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Whether somebody holds or awaits the key. */
  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs `work` alone on `key`. Rejects with the signal's reason when it fires before its turn. */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const tail = before === undefined ? released : before.then(() => released);
    this.#tails.set(key, tail);
    try {
      if (before !== undefined) await orAbort(before, signal);
      signal.throwIfAborted();
      return await work();
    } finally {
      release();
      // whoever left before its turn may have others before it still
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }
}
