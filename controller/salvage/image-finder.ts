import type { Digest } from "../../lib/digest.ts";
import type { ImageReference } from "../../lib/reference.ts";
import type { AgentAnswer, AgentQuestions } from "../agents/agent-questions.ts";
import type { AgentDirectory } from "../agents/agent-directory.ts";
import type { NodeImage } from "../agents/node-image.ts";
import type { ClusterObjects } from "../cluster-view.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { PLAN_SOURCES_MAX } from "../limits.ts";
import { findHolders, holderFromAgent, mergeHolders, type Holder } from "../resolve/holders.ts";
import { resolveDigest, type AgentAnswer as NameAnswer, type Resolution } from "../resolve/resolve-digest.ts";
import type { PlanNode, SourceCandidate } from "./sources.ts";

/** An image that somebody waits for. */
export interface WantedImage {
  readonly namespace: string;
  readonly reference: ImageReference;
  readonly targetNode: string;
  /** a pod that fails; absent for an order without one */
  readonly pod?: StrippedPod;
  /** the node has the image's record, and its content is missing */
  readonly isCorrupt: boolean;
}

/** Where a digest is. */
export interface FoundImage {
  readonly target: PlanNode;
  /** what the target itself has of it */
  readonly onTarget: NodeImage | undefined;
  readonly candidates: readonly SourceCandidate[];
  /** images by node, as agents told */
  readonly images: ReadonlyMap<string, NodeImage>;
  /** every node that has it, for authorisation and reports */
  readonly holders: readonly Holder[];
  /** every agent was asked and answered, and none that has it is out of reach just now: nobody can serve it, ever */
  readonly isCertain: boolean;
}

/** Finds out what names mean and where content is, from the API first and from agents where that is not enough. */
export class ImageFinder {
  readonly #view: ClusterObjects;
  readonly #questions: AgentQuestions;
  readonly #directory: AgentDirectory;

  constructor(options: {
    readonly view: ClusterObjects;
    readonly questions: AgentQuestions;
    readonly directory: AgentDirectory;
  }) {
    this.#view = options.view;
    this.#questions = options.questions;
    this.#directory = options.directory;
  }

  /**
   * The digest that a name means. Agents are asked when neither pods nor nodes know, and when only a few nodes do: the status
   * of a node lags behind and lists only some of its images, so that a disagreement would be missed.
   */
  async resolve(wanted: WantedImage, signal: AbortSignal): Promise<Resolution> {
    const { reference, namespace, pod, targetNode, isCorrupt } = wanted;
    const { canonical } = reference;
    const facts = {
      reference,
      namespace,
      pods: this.#view.pods.store.find("image", canonical).filter((other) => other.namespace === namespace),
      nodes: this.#view.nodes.store.find("name", canonical),
      ...(pod !== undefined && { pod }),
    };
    const target = isCorrupt ? await this.#questions.ask(targetNode, canonical, signal) : undefined;
    const known = { ...facts, ...(target?.kind === "image" && { target: target.image.digest }) };
    const resolution = resolveDigest(known);
    const isOfFew =
      resolution.kind !== "unresolved" &&
      resolution.tier === "nodes" &&
      facts.nodes.length < PLAN_SOURCES_MAX;
    if ((resolution.kind !== "unresolved" && !isOfFew) || reference.digest !== undefined) return resolution;
    const answers = await this.#questions.askAll(this.#directory.nodes(), canonical, signal);
    const agents = new Map([...answers].flatMap(([node, answer]) => nameAnswer(node, answer)));
    return resolveDigest({ ...known, agents });
  }

  /** Who has a digest, and how much of it. */
  async locate(targetNode: string, digest: Digest, signal: AbortSignal): Promise<FoundImage> {
    const told = findHolders(
      digest,
      this.#view.nodes.store.find("digest", digest),
      this.#view.pods.store.find("digest", digest),
    );
    const target = this.#planNode(targetNode);
    const near = told
      .map(({ node }) => node)
      .filter((node) => node !== targetNode && isUsable(this.#planNode(node), target));
    const isEnough = near.length >= PLAN_SOURCES_MAX;
    const asked = isEnough ? nearest(near, target, (node) => this.#planNode(node)) : this.#directory.nodes();
    const nodes = [...new Set([...asked, targetNode])];
    let answers = await this.#questions.askAll(nodes, digest, signal);
    const complete = [...answers].filter(
      ([node, answer]) => node !== targetNode && isComplete(answer),
    ).length;
    if (isEnough && complete === 0) {
      // what the API says is out of date
      answers = await this.#questions.askAll(
        [...new Set([...this.#directory.nodes(), targetNode])],
        digest,
        signal,
      );
    }
    return this.#found({ target, digest, told, answers });
  }

  #found(facts: {
    readonly target: PlanNode;
    readonly digest: Digest;
    readonly told: readonly Holder[];
    readonly answers: ReadonlyMap<string, AgentAnswer>;
  }): FoundImage {
    const { target, digest, told, answers } = facts;
    const images = new Map<string, NodeImage>();
    for (const [node, answer] of answers) if (answer.kind === "image") images.set(node, answer.image);
    // an agent knows better than its node's status, which lags behind
    const believed = told.filter(({ node }) => answers.get(node)?.kind !== "absent");
    const fromAgents = [...images].map(([node, image]) => holderFromAgent(node, image.names, digest));
    const holders = mergeHolders(believed, fromAgents);
    const candidates = holders
      .filter(({ node }) => node !== target.name)
      .map(({ node }): SourceCandidate => {
        const answer = answers.get(node);
        const incomplete = answer === undefined ? "its agent was not asked" : objectionOf(answer);
        return { ...this.#planNode(node), load: 0, incomplete };
      });
    const isAnswered = [...this.#view.nodes.store.values()].every((node) => isKnown(node, answers));
    const isOutOfReach = candidates.some(
      ({ incomplete, isReady, hasReadyAgent }) => incomplete === "" && !(isReady && hasReadyAgent),
    );
    return {
      target,
      onTarget: images.get(target.name),
      candidates,
      images,
      holders,
      isCertain: isAnswered && !isOutOfReach,
    };
  }

  #planNode(name: string): PlanNode {
    const node = this.#view.nodes.store.get(name);
    return {
      name,
      isReady: node?.isReady === true,
      hasReadyAgent: this.#directory.urlOf(name) !== undefined,
      zone: node?.zone ?? "",
      os: node?.os ?? "",
      architecture: node?.architecture ?? "",
    };
  }
}

function nameAnswer(node: string, answer: AgentAnswer): readonly (readonly [string, NameAnswer])[] {
  switch (answer.kind) {
    case "image":
      return [[node, { digest: answer.image.digest }]];
    case "absent":
      return [[node, "absent"]];
    case "silent":
      return [];
  }
}

function objectionOf(answer: AgentAnswer): string {
  switch (answer.kind) {
    case "image":
      return answer.image.incomplete;
    case "absent":
      return "it does not have it any more";
    case "silent":
      return answer.why;
  }
}

function isComplete(answer: AgentAnswer): boolean {
  return answer.kind === "image" && answer.image.isComplete;
}

function isUsable(node: PlanNode, target: PlanNode): boolean {
  return (
    node.isReady &&
    node.hasReadyAgent &&
    (target.architecture === "" || node.architecture === target.architecture)
  );
}

/** Twice as many as a plan has, those of the target's zone first: some may turn out to be of no use. */
function nearest(
  nodes: readonly string[],
  target: PlanNode,
  planNode: (node: string) => PlanNode,
): readonly string[] {
  const isFar = (node: string): number => (target.zone !== "" && planNode(node).zone === target.zone ? 0 : 1);
  return nodes.toSorted((a, b) => isFar(a) - isFar(b)).slice(0, 2 * PLAN_SOURCES_MAX);
}

/** Whether a node has said what it has. */
function isKnown(node: StrippedNode, answers: ReadonlyMap<string, AgentAnswer>): boolean {
  const answer = answers.get(node.name);
  return answer !== undefined && answer.kind !== "silent";
}
