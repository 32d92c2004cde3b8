/** A made-up cluster, told by numbers: which node has which image, which pod is where. Pure. */

import { createHash } from "node:crypto";

/** How large a cluster is. */
export interface ClusterSpec {
  readonly nodes: number;
  readonly imagesPerNode: number;
  /** pods that are there besides those of the cases */
  readonly pods: number;
  /** of these, how many fail in namespaces that have not opted in: every so-manieth */
  readonly failingEvery: number;
  /** pods of a namespace that has opted in, each with an image of its own that three other nodes have */
  readonly cases: number;
  /** how many of the cases fail from the beginning */
  readonly failingCases: number;
  /** the last so many cases have images that no node has */
  readonly unknownCases: number;
  /** agents of the last so many nodes take connections and never answer */
  readonly blackHoles: number;
}

/** An image: its names, and what they mean. */
export interface MadeImage {
  readonly repository: string;
  /** "repository:tag" */
  readonly tagged: string;
  readonly digest: string;
}

/** Images that the nodes have in common. */
export const COMMON_IMAGES = 2_000;
/** Where the cases are. */
export const CASE_NAMESPACE = "bench";
/** Namespaces of all other pods. */
export const NAMESPACE_COUNT = 200;
/** Pods of one ReplicaSet. */
export const PODS_PER_OWNER = 10;

const REGISTRY = "registry.example.com";
const HOLDERS_PER_CASE = 3;

export function nodeName(node: number): string {
  return `node-${String(node).padStart(5, "0")}`;
}

/** The loopback address of a node's agent. */
export function nodeAddress(node: number): string {
  return `127.100.${node >> 8}.${node & 255}`;
}

/** The node of an address of {@link nodeAddress}. */
export function nodeOfAddress(address: string): number {
  const [, , high = 0, low = 0] = address.split(".").map(Number);
  return (high << 8) + low;
}

export function commonImage(image: number): MadeImage {
  return made(`${REGISTRY}/team-${image % 40}/service-${image}`, `2.${image % 17}.0`);
}

export function caseImage(index: number): MadeImage {
  return made(`${REGISTRY}/${CASE_NAMESPACE}/case-${index}`, "v1");
}

/** Where the pod of a case is. */
export function caseNode({ nodes }: ClusterSpec, index: number): number {
  return (index * 11) % nodes;
}

/** The nodes that have the image of a case; none for an unknown one. */
export function caseHolders(spec: ClusterSpec, index: number): readonly number[] {
  if (index >= spec.cases - spec.unknownCases) return [];
  const first = caseNode(spec, index) + 1;
  return Array.from({ length: HOLDERS_PER_CASE }, (_none, at) => (first + 3 * at) % spec.nodes);
}

/** The images that a node has: those of cases, then common ones. */
export function imagesOfNode(
  spec: ClusterSpec,
  node: number,
  casesOfNode: readonly number[],
): readonly MadeImage[] {
  const own = casesOfNode.map(caseImage);
  const common = Math.max(0, spec.imagesPerNode - own.length);
  const rest = Array.from({ length: common }, (_none, at) =>
    commonImage((node * 7 + at * 13) % COMMON_IMAGES),
  );
  return [...own, ...rest];
}

/** By node, the cases whose image it has. */
export function holdings(spec: ClusterSpec): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  for (let index = 0; index < spec.cases; index += 1) {
    for (const node of caseHolders(spec, index)) found.set(node, [...(found.get(node) ?? []), index]);
  }
  return found;
}

/** A digest made from a text. */
export function madeDigest(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function made(repository: string, tag: string): MadeImage {
  return { repository, tagged: `${repository}:${tag}`, digest: madeDigest(repository) };
}
