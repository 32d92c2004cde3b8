import { parseReference } from "../../lib/reference.ts";

/** What the pods write, and the image records that make CRI find it. */
export interface WantedNames {
  /** the references as given, without repeats */
  readonly given: readonly string[];
  /** "repo:tag" records; each may exist already with another digest, which is refused */
  readonly tags: readonly string[];
  /** "repo@digest" records */
  readonly digests: readonly string[];
}

/** A name that does not fit the digest to be imported. */
export class NameMismatchError extends Error {
  override readonly name = "NameMismatchError";
}

/**
 * Works out the records for `names`: a tag gives "repo:tag" and "repo@digest", so that the kubelet reports the digest;
 * a name with digest gives "repo@digest" alone.
 * @throws InvalidValueError for a malformed name, NameMismatchError for a name with another digest
 */
export function wantedNames(names: readonly string[], digest: string): WantedNames {
  const tags = new Set<string>();
  const digests = new Set<string>();
  for (const [at, name] of names.entries()) {
    const reference = parseReference(name, `names[${at}]`);
    if (reference.digest !== undefined && reference.digest !== digest) {
      throw new NameMismatchError(`names[${at}] is "${name}", but the image to import is ${digest}`);
    }
    if (reference.tag !== undefined) tags.add(reference.canonical);
    digests.add(`${reference.repository}@${digest}`);
  }
  return { given: [...new Set(names)], tags: [...tags].sort(), digests: [...digests].sort() };
}

/** The names of both. */
export function joinNames(a: WantedNames, b: WantedNames): WantedNames {
  const union = (one: readonly string[], two: readonly string[]): readonly string[] =>
    [...new Set([...one, ...two])].sort();
  return {
    given: [...new Set([...a.given, ...b.given])],
    tags: union(a.tags, b.tags),
    digests: union(a.digests, b.digests),
  };
}
