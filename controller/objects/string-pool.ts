import { STRING_POOL_MAX } from "../limits.ts";

/** Gives equal texts the same memory: a hundred thousand pods name few images, nodes and owners. */
export interface StringPool {
  /** The text itself, or an equal one that was seen before. */
  share(text: string): string;
}

/** Texts longer than this are not shared: they are seldom equal, and would keep the pool's memory without bound. */
const SHARED_MAX_CHARS = 256;

/** A pool of at most `max` texts; when it is full it begins anew, what was shared stays shared. */
export function createStringPool(max = STRING_POOL_MAX): StringPool {
  const known = new Map<string, string>();
  return {
    share(text: string): string {
      if (text.length > SHARED_MAX_CHARS) return text;
      const shared = known.get(text);
      if (shared !== undefined) return shared;
      if (known.size >= max) known.clear();
      known.set(text, text);
      return text;
    },
  };
}

/** Shares nothing. */
export const noPool: StringPool = { share: (text) => text };
