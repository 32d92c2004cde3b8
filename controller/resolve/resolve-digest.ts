import { isDigest, type Digest } from "../../lib/digest.ts";
import type { ImageReference } from "../../lib/reference.ts";
import { EVIDENCE_MAX } from "../limits.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { namespaceEvidence, nodeEvidence, siblingEvidence, type Evidence } from "./evidence.ts";

/**
 * Where an answer came from, in the order of asking: the digest in the name itself; the record of the target node, for an
 * image that is there but corrupt; running pods of the same controller and revision; other pods of the namespace; names
 * on nodes; the source registry.
 */
export const RESOLUTION_TIERS = [
  "reference",
  "target",
  "siblings",
  "namespace",
  "nodes",
  "registry",
] as const;
export type ResolutionTier = (typeof RESOLUTION_TIERS)[number];

/** What an agent says a name points at on its node. */
export type AgentAnswer = { readonly digest: Digest } | "absent";

/** Everything that is known about a name. What has not been asked for is left out. */
export interface ResolutionFacts {
  readonly reference: ImageReference;
  readonly namespace: string;
  /** the pod that fails; absent for an order */
  readonly pod?: StrippedPod;
  /** pods of the namespace */
  readonly pods: readonly StrippedPod[];
  readonly nodes: readonly StrippedNode[];
  /** by node; what an agent says goes before what its node's status says, which lags behind */
  readonly agents?: ReadonlyMap<string, AgentAnswer>;
  /** for a corrupt image: the digest that the target node has for the name */
  readonly target?: Digest;
  /** what the source registry says, when it was asked */
  readonly registry?: Digest;
}

/** A digest and who says so. */
export interface Candidate {
  readonly digest: Digest;
  /** at most {@link EVIDENCE_MAX} */
  readonly from: readonly string[];
}

/** What became of a name. */
export type Resolution =
  | ({ readonly kind: "resolved"; readonly tier: ResolutionTier } & Candidate)
  /** witnesses of one tier disagree */
  | {
      readonly kind: "ambiguous";
      readonly tier: ResolutionTier;
      readonly candidates: readonly Candidate[];
      readonly message: string;
    }
  | { readonly kind: "unresolved"; readonly message: string };

/**
 * Finds the one digest that a name means. The first tier that answers decides, however many witnesses a later one has;
 * only disagreement inside that tier makes the name ambiguous. Pure.
 */
export function resolveDigest(facts: ResolutionFacts): Resolution {
  const { reference, namespace, pod } = facts;
  if (reference.digest !== undefined) {
    if (isDigest(reference.digest)) {
      return { kind: "resolved", tier: "reference", digest: reference.digest, from: ["the image's name"] };
    }
    const algorithm = reference.digest.split(":", 1)[0];
    return { kind: "unresolved", message: `containerd has no content by ${algorithm}, only by sha256` };
  }
  const tiers: readonly (readonly [ResolutionTier, () => readonly Evidence[]])[] = [
    ["target", () => single(facts.target, "the target node")],
    ["siblings", () => (pod === undefined ? [] : siblingEvidence(facts, pod, reference))],
    ["namespace", () => namespaceEvidence(facts, namespace, reference)],
    ["nodes", () => namesOnNodes(facts)],
    ["registry", () => single(facts.registry, "the registry")],
  ];
  for (const [tier, look] of tiers) {
    const candidates = group(look());
    const [first, second] = candidates;
    if (second !== undefined)
      return { kind: "ambiguous", tier, candidates, message: disagreement(candidates) };
    if (first !== undefined) return { kind: "resolved", tier, ...first };
  }
  return { kind: "unresolved", message: `no pod and no node knows a digest for ${reference.canonical}` };
}

function namesOnNodes({ nodes, agents, reference }: ResolutionFacts): readonly Evidence[] {
  const silent = nodes.filter((node) => agents?.has(node.name) !== true);
  const answers = [...(agents ?? [])].flatMap(([node, answer]) =>
    answer === "absent" ? [] : [{ digest: answer.digest, from: `node ${node}` }],
  );
  return [...nodeEvidence(silent, reference), ...answers];
}

function single(digest: Digest | undefined, from: string): readonly Evidence[] {
  return digest === undefined ? [] : [{ digest, from }];
}

/** By digest, the one with most witnesses first. */
function group(evidence: readonly Evidence[]): readonly Candidate[] {
  const witnesses = new Map<Digest, Set<string>>();
  for (const { digest, from } of evidence) {
    const known = witnesses.get(digest);
    if (known === undefined) witnesses.set(digest, new Set([from]));
    else known.add(from);
  }
  return [...witnesses]
    .sort(([a, left], [b, right]) => right.size - left.size || (a < b ? -1 : 1))
    .map(([digest, from]) => ({ digest, from: [...from].sort().slice(0, EVIDENCE_MAX) }));
}

function disagreement(candidates: readonly Candidate[]): string {
  const told = candidates
    .slice(0, 3)
    .map(({ digest, from }) => `${digest} (${from.slice(0, 3).join(", ")}${from.length > 3 ? ", ..." : ""})`);
  const more = candidates.length > 3 ? ` and ${candidates.length - 3} more` : "";
  return `the name means different images: ${told.join(", ")}${more}; name the image by digest`;
}
