import type { ServedObject } from "./types.ts";

/** A change, as watches tell of it. */
export interface Change {
  readonly version: number;
  readonly key: string;
  /** the object after the change; for a removal its last state */
  readonly object: ServedObject;
  readonly isRemoval: boolean;
  /** the object before, undefined when it is new */
  readonly previous: ServedObject | undefined;
}

/** An object that is made when somebody looks. */
export type Held = ServedObject | (() => ServedObject);

/** Objects of one resource: by key, in order of keys, with the history of their changes. */
export class Collection {
  readonly plural: string;
  readonly #historyLimit: number;
  readonly #held = new Map<string, Held>();
  readonly #listeners = new Set<(change: Change) => void>();
  #history: Change[] = [];
  /** changes up to this version are forgotten */
  #compactedAt: number;
  /** keys in the order of etcd, undefined when they must be sorted anew */
  #sorted: readonly string[] | undefined;
  /** what lists of several pages go on reading, by version */
  readonly #snapshots = new Map<number, readonly Entry[]>();

  constructor(plural: string, version: number, historyLimit: number) {
    this.plural = plural;
    this.#compactedAt = version;
    this.#historyLimit = historyLimit;
  }

  get size(): number {
    return this.#held.size;
  }

  get(key: string): ServedObject | undefined {
    return show(this.#held.get(key));
  }

  /** Every object in order of keys, unmade. */
  entries(): readonly Entry[] {
    this.#sorted ??= [...this.#held.keys()].toSorted(byBytes);
    return this.#sorted.flatMap((key) => {
      const held = this.#held.get(key);
      return held === undefined ? [] : [{ key, held }];
    });
  }

  /** Puts objects without telling anybody; they are made when looked at. */
  seed(entries: Iterable<Entry>): void {
    for (const { key, held } of entries) this.#held.set(key, held);
    this.#sorted = undefined;
  }

  put(object: ServedObject, version: number): void {
    const key = keyOf(object);
    const previous = this.get(key);
    if (previous === undefined) this.#sorted = undefined;
    this.#held.set(key, object);
    this.#record({ version, key, object, isRemoval: false, previous });
  }

  remove(key: string, last: ServedObject, version: number): void {
    const previous = this.get(key);
    this.#held.delete(key);
    this.#sorted = undefined;
    this.#record({ version, key, object: last, isRemoval: true, previous });
  }

  /** Changes after a version; undefined when some of them are forgotten. */
  since(version: number): readonly Change[] | undefined {
    if (version < this.#compactedAt) return undefined;
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#history[middle]?.version ?? 0) > version) high = middle;
      else low = middle + 1;
    }
    return this.#history.slice(low);
  }

  /** Calls on every change from now on; the function returned ends it. */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Keeps a list readable as it is now. */
  keep(version: number, entries: readonly Entry[]): void {
    this.#snapshots.set(version, entries);
    const [oldest] = this.#snapshots.keys();
    if (this.#snapshots.size > SNAPSHOTS_MAX && oldest !== undefined) this.#snapshots.delete(oldest);
  }

  /** The list as it was; undefined when it is forgotten. */
  kept(version: number): readonly Entry[] | undefined {
    return this.#snapshots.get(version);
  }

  compact(version: number): void {
    this.#history = [];
    this.#compactedAt = version;
    this.#snapshots.clear();
  }

  save(): ReadonlyMap<string, Held> {
    return new Map(this.#held);
  }

  restore(held: ReadonlyMap<string, Held>, version: number): void {
    this.#held.clear();
    for (const [key, one] of held) this.#held.set(key, one);
    this.#sorted = undefined;
    this.compact(version);
  }

  #record(change: Change): void {
    this.#history.push(change);
    if (this.#history.length > this.#historyLimit * 1.1) {
      const dropped = this.#history.splice(0, this.#history.length - this.#historyLimit);
      this.#compactedAt = dropped.at(-1)?.version ?? this.#compactedAt;
    }
    for (const listener of this.#listeners) listener(change);
  }
}

/** lists that are read page by page at the same time */
const SNAPSHOTS_MAX = 16;

/** An object and its key. */
export interface Entry {
  readonly key: string;
  readonly held: Held;
}

/** Makes the object if need be. */
export function show(held: Held): ServedObject;
export function show(held: Held | undefined): ServedObject | undefined;
export function show(held: Held | undefined): ServedObject | undefined {
  return typeof held === "function" ? held() : held;
}

/** "namespace/name" or "name". */
export function keyOf({ metadata }: ServedObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function byBytes(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
