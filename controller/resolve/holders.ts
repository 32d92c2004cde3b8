/** Which nodes have an image's content, and under which names: from what the API server knows, without asking agents. */

import type { Digest } from "../../lib/digest.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { parseDigestName, parseImageId } from "./image-id.ts";

/** A node that has the content. */
export interface Holder {
  readonly node: string;
  /** repositories under which it has it, normalised */
  readonly repositories: readonly string[];
}

/**
 * Nodes whose status lists the digest, and nodes where a pod of any namespace runs it. Sorted by name.
 * @param pods of all namespaces; those without the digest do not matter
 */
export function findHolders(
  digest: Digest,
  nodes: readonly StrippedNode[],
  pods: readonly StrippedPod[],
): readonly Holder[] {
  const found = new Map<string, Set<string>>();
  const add = (node: string, repository: string): void => {
    const known = found.get(node);
    if (known === undefined) found.set(node, new Set([repository]));
    else known.add(repository);
  };
  for (const node of nodes) {
    for (const name of node.images.flat()) {
      // the cheap test first: a large cluster lists hundreds of thousands of names
      const identity = name.endsWith(digest) ? parseDigestName(name) : undefined;
      if (identity?.digest === digest) add(node.name, identity.repository);
    }
  }
  for (const pod of pods) {
    for (const { state, imageId } of pod.containers) {
      const identity = state === "running" && imageId.endsWith(digest) ? parseImageId(imageId) : undefined;
      if (identity?.digest === digest && pod.nodeName !== "") add(pod.nodeName, identity.repository);
    }
  }
  return sorted(found);
}

/** A holder as its agent tells it: the names that point at the digest there. Names that are none are left out. */
export function holderFromAgent(node: string, names: readonly string[], digest: Digest): Holder {
  // CRI's own record is named by the digest of the configuration
  const tagged = names.filter((name) => !name.startsWith("sha256:"));
  const repositories = tagged.flatMap((name) => {
    const identity = parseDigestName(name.includes("@") ? name : `${stripTag(name)}@${digest}`);
    return identity === undefined ? [] : [identity.repository];
  });
  return { node, repositories: [...new Set(repositories)].sort() };
}

/** Both lists as one, each node once. */
export function mergeHolders(...lists: readonly (readonly Holder[])[]): readonly Holder[] {
  const found = new Map<string, Set<string>>();
  for (const { node, repositories } of lists.flat()) {
    const known = found.get(node) ?? new Set();
    for (const repository of repositories) known.add(repository);
    found.set(node, known);
  }
  return sorted(found);
}

function sorted(found: ReadonlyMap<string, ReadonlySet<string>>): readonly Holder[] {
  return [...found]
    .map(([node, repositories]) => ({ node, repositories: [...repositories].sort() }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** "repo:tag" without its tag; a port is no tag. */
function stripTag(name: string): string {
  return name.replace(/:[^/:]*$/, "");
}
