import { Collection } from "./collection.ts";
import type { Kind } from "./kinds.ts";
import type { ServedMeta, ServedObject } from "./types.ts";

/** All objects, with one counter of versions. */
export class Storage {
  readonly #collections = new Map<string, Collection>();
  readonly #historyLimit: number;
  #version = 1000;

  /** @param historyLimit changes that each collection remembers */
  constructor(historyLimit: number) {
    this.#historyLimit = historyLimit;
  }

  /** The version of the last change. */
  get version(): number {
    return this.#version;
  }

  get collections(): Iterable<Collection> {
    return this.#collections.values();
  }

  /** The objects of a kind. */
  collection(kind: Kind): Collection {
    const id = `${kind.plural}.${kind.group}`;
    const known = this.#collections.get(id);
    if (known !== undefined) return known;
    const made = new Collection(kind.plural, this.#version, this.#historyLimit);
    this.#collections.set(id, made);
    return made;
  }

  /** Stores an object under a new version and tells the watches. */
  put(kind: Kind, object: ServedObject): ServedObject {
    this.#version += 1;
    const stored = withMeta(object, { resourceVersion: String(this.#version) });
    this.collection(kind).put(stored, this.#version);
    return stored;
  }

  /** Removes an object; its last state carries the version of its removal, as watches show it. */
  remove(kind: Kind, key: string): boolean {
    const collection = this.collection(kind);
    const held = collection.get(key);
    if (held === undefined) return false;
    this.#version += 1;
    collection.remove(key, withMeta(held, { resourceVersion: String(this.#version) }), this.#version);
    return true;
  }

  /** A version for objects that are all put at once. */
  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  /** Forgets what was before now. */
  compact(): void {
    for (const collection of this.#collections.values()) collection.compact(this.#version);
  }

  /** Remembers all objects; the function returned brings them and the version counter back, without history. */
  snapshot(): () => void {
    const version = this.#version;
    const saved = new Map([...this.#collections].map(([id, collection]) => [id, collection.save()]));
    return () => {
      this.#version = version;
      for (const [id, collection] of this.#collections) {
        collection.restore(saved.get(id) ?? new Map(), version);
      }
    };
  }
}

/** An object with some of its metadata replaced; undefined removes. */
export function withMeta(
  object: ServedObject,
  changes: { readonly [Field in keyof ServedMeta]?: ServedMeta[Field] | undefined },
): ServedObject {
  const metadata = Object.entries({ ...object.metadata, ...changes }).filter(
    ([, value]) => value !== undefined,
  );
  return { ...object, metadata: { name: object.metadata.name, ...Object.fromEntries(metadata) } };
}
