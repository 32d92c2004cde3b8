import { PLAN_SOURCES_MAX } from "../limits.ts";

/** A node as far as planning looks at it. */
export interface PlanNode {
  readonly name: string;
  /** Ready and not being deleted */
  readonly isReady: boolean;
  readonly hasReadyAgent: boolean;
  /** "" when unknown */
  readonly zone: string;
  readonly os: string;
  readonly architecture: string;
}

/** A node that may serve the image. */
export interface SourceCandidate extends PlanNode {
  /** transfers that read from it now */
  readonly load: number;
  /** what its agent says about the image, when it was asked: "" means all is there, else why not */
  readonly incomplete?: string;
}

/** Which nodes to read from. */
export type SourceChoice =
  /** best first */
  | { readonly kind: "sources"; readonly sources: readonly string[] }
  /** there are some, and all are at their limit */
  | { readonly kind: "busy" }
  /** `message` says why each candidate is none */
  | { readonly kind: "none"; readonly message: string };

/** More candidates than these are not explained in a message. */
const EXPLAINED_MAX = 5;

/**
 * Chooses the nodes to read an image from: Ready, with a ready agent, of the target's platform, holding the content;
 * those of the target's zone first, then the least loaded. Pure.
 *
 * @param excluded nodes that have failed this salvage already, with the reason
 */
export function chooseSources(options: {
  readonly target: PlanNode;
  readonly candidates: readonly SourceCandidate[];
  readonly excluded: ReadonlyMap<string, string>;
  /** transfers from one node at the same time */
  readonly perSource: number;
}): SourceChoice {
  const { target, excluded, perSource } = options;
  const candidates = options.candidates.filter((candidate) => candidate.name !== target.name);
  const usable = candidates.filter((candidate) => objection(candidate, target, excluded) === undefined);
  const free = usable.filter((candidate) => candidate.load < perSource);
  if (free.length > 0) {
    const sources = [...free]
      .sort((a, b) => distance(a, target) - distance(b, target) || a.load - b.load || order(a.name, b.name))
      .slice(0, PLAN_SOURCES_MAX)
      .map(({ name }) => name);
    return { kind: "sources", sources };
  }
  if (usable.length > 0) return { kind: "busy" };
  if (candidates.length === 0) return { kind: "none", message: "no other node holds the image" };
  const reasons = candidates
    .slice(0, EXPLAINED_MAX)
    .map((candidate) => `${candidate.name}: ${objection(candidate, target, excluded) ?? ""}`);
  const more =
    candidates.length > EXPLAINED_MAX ? `, and ${candidates.length - EXPLAINED_MAX} more nodes` : "";
  return { kind: "none", message: `no node can serve the image: ${reasons.join("; ")}${more}` };
}

function objection(
  candidate: SourceCandidate,
  target: PlanNode,
  excluded: ReadonlyMap<string, string>,
): string | undefined {
  const failed = excluded.get(candidate.name);
  if (failed !== undefined) return failed;
  if (!candidate.isReady) return "the node is not Ready";
  if (!candidate.hasReadyAgent) return "it has no ready agent";
  if (differs(candidate.os, target.os) || differs(candidate.architecture, target.architecture)) {
    return `it holds the image for ${candidate.os}/${candidate.architecture}, not ${target.os}/${target.architecture}`;
  }
  return candidate.incomplete === undefined || candidate.incomplete === "" ? undefined : candidate.incomplete;
}

/** An index holds one platform's content only; a node that does not tell its platform may be asked. */
function differs(a: string, b: string): boolean {
  return a !== "" && b !== "" && a !== b;
}

function distance(candidate: PlanNode, target: PlanNode): number {
  return target.zone !== "" && candidate.zone === target.zone ? 0 : 1;
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
