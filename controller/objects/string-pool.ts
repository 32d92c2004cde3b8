import { LIST_POOL_MAX, STRING_POOL_MAX } from "../limits.ts";

/** Gives equal texts the same memory: a hundred thousand pods name few images, nodes and owners. */
export interface StringPool {
  /** The text itself, or an equal one that was seen before. */
  share(text: string): string;
  /** The same for a list of texts: thousands of nodes have the same images, each with the same names. */
  shareList(texts: readonly string[]): readonly string[];
}

/** Texts longer than this are not shared: they are seldom equal, and would keep the pool's memory without bound. */
const SHARED_MAX_CHARS = 256;

/** Stands for the first text of an empty list. */
const NOTHING = "";

/**
 * A pool of at most `max` texts and `maxLists` lists; when it is full it begins anew, what was shared stays shared.
 */
export function createStringPool(max = STRING_POOL_MAX, maxLists = LIST_POOL_MAX): StringPool {
  const known = new Map<string, string>();
  /** by their first text: lists that have it in common are seldom different */
  const lists = new Map<string, readonly string[]>();
  function share(text: string): string {
    if (text.length > SHARED_MAX_CHARS) return text;
    const shared = known.get(text);
    if (shared !== undefined) return shared;
    if (known.size >= max) known.clear();
    known.set(text, text);
    return text;
  }
  return {
    share,
    shareList(texts) {
      const [first = NOTHING] = texts;
      const shared = lists.get(first);
      if (shared !== undefined && isSame(shared, texts)) return shared;
      if (lists.size >= maxLists) lists.clear();
      // a copy: lists that were filled one by one take more memory than they need
      const list = Object.freeze(texts.map(share));
      lists.set(first, list);
      return list;
    },
  };
}

/** Shares nothing. */
export const noPool: StringPool = { share: (text) => text, shareList: (texts) => texts };

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, at) => text === other[at]);
}
