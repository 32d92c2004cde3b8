import type { Logger } from "../../lib/log.ts";
import type { KubeObject } from "./objects.ts";
import { keyOf } from "./resources.ts";
import { Store, type Indexer, type ReadStore } from "./store.ts";

/** What every stored object keeps: it tells whether the object has changed. */
export interface Versioned {
  readonly resourceVersion: string;
}

/** Told of changes by key alone ("namespace/name"): what to do follows from what the store holds, not from the event. */
export interface ChangeHandler {
  readonly added?: (key: string) => void;
  readonly updated?: (key: string) => void;
  readonly deleted?: (key: string) => void;
}

/** Strips objects as they come, stores them, and tells of what changed. A handler that throws stops nothing. */
export class Mirror<T extends Versioned, I extends string> {
  readonly #store: Store<T, I>;
  readonly #strip: (object: KubeObject) => T | undefined;
  readonly #logger: Logger;
  readonly #handlers: ChangeHandler[] = [];

  constructor(options: {
    readonly strip: (object: KubeObject) => T | undefined;
    readonly indexers: Readonly<Record<I, Indexer<T>>>;
    readonly logger: Logger;
  }) {
    this.#store = new Store(options.indexers);
    this.#strip = options.strip;
    this.#logger = options.logger;
  }

  get store(): ReadStore<T, I> {
    return this.#store;
  }

  subscribe(handler: ChangeHandler): void {
    this.#handlers.push(handler);
  }

  /** Stores an object and returns its key. One that has not changed is not told again. */
  put(object: KubeObject): string {
    const key = keyOf(object.metadata);
    try {
      const now = this.#strip(object);
      if (now === undefined) {
        this.remove(key);
        return key;
      }
      const before = this.#store.get(key);
      if (before === undefined || before.resourceVersion !== now.resourceVersion) {
        this.#store.set(key, now);
        this.#tell(before === undefined ? "added" : "updated", key);
      }
    } catch (error) {
      this.#logger.error("object left out", { object: key, error });
    }
    return key;
  }

  remove(key: string): void {
    if (this.#store.delete(key) !== undefined) this.#tell("deleted", key);
  }

  /** Removes what is not among these keys. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#store.keys()) {
      if (!keys.has(key)) this.remove(key);
    }
  }

  #tell(change: keyof ChangeHandler, key: string): void {
    for (const handler of this.#handlers) {
      try {
        handler[change]?.(key);
      } catch (error) {
        this.#logger.error("handler of changes failed", { change, object: key, error });
      }
    }
  }
}
