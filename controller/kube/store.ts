/** Gives the values under which an object is found, e.g. the name of a pod's node; may be empty. Must be pure. */
export type Indexer<T> = (object: T) => readonly string[];

/** What others see of a {@link Store}. Objects are replaced, never changed. */
export interface ReadStore<T, I extends string = never> {
  readonly size: number;
  /** @param key "namespace/name", or "name" */
  get(key: string): T | undefined;
  has(key: string): boolean;
  keys(): Iterable<string>;
  values(): Iterable<T>;
  /** The objects that the indexer gave this value for, in no order. */
  find(index: I, value: string): readonly T[];
  /** Their keys. */
  findKeys(index: I, value: string): readonly string[];
  /** How many they are. */
  count(index: I, value: string): number;
  /** Every value that an object has. */
  indexValues(index: I): Iterable<string>;
}

/** Objects by key, found also by what indexers say of them. */
export class Store<T, I extends string = never> implements ReadStore<T, I> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: ReadonlyMap<string, Index<T>>;

  /** @param indexers by name */
  constructor(indexers: Readonly<Record<I, Indexer<T>>>) {
    this.#indexes = new Map(
      Object.entries<Indexer<T>>(indexers).map(([name, indexer]) => [name, new Index(indexer)]),
    );
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  values(): Iterable<T> {
    return this.#objects.values();
  }

  find(index: I, value: string): readonly T[] {
    return this.findKeys(index, value).flatMap((key) => this.#objects.get(key) ?? []);
  }

  findKeys(index: I, value: string): readonly string[] {
    return this.#index(index).keys(value);
  }

  count(index: I, value: string): number {
    return this.#index(index).count(value);
  }

  indexValues(index: I): Iterable<string> {
    return this.#index(index).values();
  }

  /** Puts an object in place of the one before it, which is returned. */
  set(key: string, object: T): T | undefined {
    const before = this.#objects.get(key);
    for (const index of this.#indexes.values()) index.replace(key, before, object);
    this.#objects.set(key, object);
    return before;
  }

  /** Removes an object and returns it. */
  delete(key: string): T | undefined {
    const before = this.#objects.get(key);
    for (const index of this.#indexes.values()) index.replace(key, before, undefined);
    this.#objects.delete(key);
    return before;
  }

  #index(name: I): Index<T> {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new RangeError(`no index "${name}"`);
    return index;
  }
}

/** Keys by value. Most values have one key, which then takes no set of its own: stores hold 100,000 objects. */
class Index<T> {
  readonly #indexer: Indexer<T>;
  readonly #keys = new Map<string, string | Set<string>>();

  constructor(indexer: Indexer<T>) {
    this.#indexer = indexer;
  }

  values(): Iterable<string> {
    return this.#keys.keys();
  }

  keys(value: string): readonly string[] {
    const keys = this.#keys.get(value);
    if (keys === undefined) return [];
    return typeof keys === "string" ? [keys] : [...keys];
  }

  count(value: string): number {
    const keys = this.#keys.get(value);
    if (keys === undefined) return 0;
    return typeof keys === "string" ? 1 : keys.size;
  }

  replace(key: string, before: T | undefined, now: T | undefined): void {
    const old = before === undefined ? [] : this.#indexer(before);
    const values = now === undefined ? [] : this.#indexer(now);
    for (const value of old) {
      if (!values.includes(value)) this.#remove(value, key);
    }
    for (const value of values) this.#add(value, key);
  }

  #add(value: string, key: string): void {
    const keys = this.#keys.get(value);
    if (keys === undefined) this.#keys.set(value, key);
    else if (typeof keys !== "string") keys.add(key);
    else if (keys !== key) this.#keys.set(value, new Set([keys, key]));
  }

  #remove(value: string, key: string): void {
    const keys = this.#keys.get(value);
    if (keys === key) this.#keys.delete(value);
    if (keys === undefined || typeof keys === "string") return;
    keys.delete(key);
    if (keys.size === 0) this.#keys.delete(value);
  }
}
