import type { Digest } from "../../lib/digest.ts";
import type { AgentClient } from "../agents/agent-clients.ts";
import { QUESTION_TIMEOUT_MS } from "../agents/limits.ts";
import type { NodeBlob } from "../agents/node-image.ts";
import type { FailureCause } from "../detect/failure.ts";
import type { ClusterObjects } from "../cluster-view.ts";
import type { SalvagePlan } from "../objects/salvage-record.ts";
import type { Resolution } from "../resolve/resolve-digest.ts";
import { authorise, type AuthorisationMode } from "./authorise.ts";
import type { FoundImage, ImageFinder, WantedImage } from "./image-finder.ts";
import type { RefusedReason } from "./reasons.ts";
import { checkRoom } from "./room.ts";
import { chooseSources } from "./sources.ts";

/** What is to be done about a wanted image. */
export type Finding =
  | { readonly kind: "plan"; readonly plan: SalvagePlan; readonly holders: readonly string[] }
  | {
      readonly kind: "refused";
      readonly reason: RefusedReason;
      readonly message: string;
      /** set when agents could move it, if there were any */
      readonly salvageable?: { readonly digest: Digest; readonly holders: readonly string[] };
    }
  /** nobody has the content of a corrupt image: its record may be removed */
  | { readonly kind: "remove"; readonly digest: Digest; readonly evidence: string };

/** What the planner is told besides the image. */
export interface PlanRequest extends WantedImage {
  /** the one name that is created on the node, as it was written */
  readonly imageRef: string;
  readonly cause: FailureCause;
  /** the resolution, if it is known already */
  readonly resolution?: Resolution;
}

/** Rules that hold for every plan. */
export interface PlanRules {
  readonly authorisation: AuthorisationMode;
  /** compressed bytes, 0 for no limit */
  readonly maxImageBytes: number;
  readonly minFreePercent: number;
  /** no agents are configured: where images are is told, and nothing moved */
  readonly detectsOnly: boolean;
}

/** Makes plans: resolves, locates, authorises and checks the room. Changes nothing anywhere. */
export class Planner {
  readonly #options: {
    readonly view: Pick<ClusterObjects, "pods">;
    readonly finder: ImageFinder;
    readonly clients: { get(node: string): AgentClient | undefined };
    readonly rules: PlanRules;
  };

  constructor(options: {
    readonly view: Pick<ClusterObjects, "pods">;
    readonly finder: ImageFinder;
    readonly clients: { get(node: string): AgentClient | undefined };
    readonly rules: PlanRules;
  }) {
    this.#options = options;
  }

  /** What to do about an image, from what is known now. */
  async plan(request: PlanRequest, signal: AbortSignal): Promise<Finding> {
    const { finder } = this.#options;
    const resolution = request.resolution ?? (await finder.resolve(request, signal));
    if (resolution.kind === "ambiguous") return refuse("ImageAmbiguous", resolution.message);
    if (resolution.kind === "unresolved") return refuse("ImageUnresolved", resolution.message);
    const { digest } = resolution;
    const found = await finder.locate(request.targetNode, digest, signal);
    const authorisation = this.#authorise(request, digest, found);
    const choice = chooseSources({
      target: found.target,
      candidates: found.candidates,
      excluded: new Map(),
      perSource: Number.POSITIVE_INFINITY,
    });
    const isHere = found.onTarget?.isRunnable === true;
    // who may not have it is not told either which nodes have it, and what is wrong with them
    const isSecret = !authorisation.allowed && found.holders.length > 0 && !request.isCorrupt;
    if (isSecret) return refuse("NotAuthorized", authorisation.message);
    if (this.#options.rules.detectsOnly && authorisation.allowed) {
      const others = found.holders.map(({ node }) => node).filter((node) => node !== request.targetNode);
      if (others.length > 0) return onlyDetected(digest, others);
    }
    if (choice.kind !== "sources" && !isHere) {
      const message = choice.kind === "none" ? choice.message : "every source is busy";
      if (!request.isCorrupt) return refuse("NoSource", message);
      if (found.isCertain) return { kind: "remove", digest, evidence: message };
      return refuse(
        "NoSource",
        `${message}; nothing is removed while a node may have it that does not answer or is not Ready`,
      );
    }
    if (!authorisation.allowed) return refuse("NotAuthorized", authorisation.message);
    if (!found.target.hasReadyAgent) return refuse("NoAgent", `node ${found.target.name} has no ready agent`);
    const sources = isHere || choice.kind !== "sources" ? [] : choice.sources;
    const room = await this.#room(request, found, sources, signal);
    if (!room.fits) return refuse(room.reason, room.message);
    return {
      kind: "plan",
      plan: {
        digest,
        names: [request.imageRef],
        targetNode: request.targetNode,
        sources,
        maxBytes: this.#options.rules.maxImageBytes,
        evidence: authorisation.evidence,
      },
      holders: found.holders.map(({ node }) => node),
    };
  }

  #authorise(request: PlanRequest, digest: Digest, found: FoundImage): ReturnType<typeof authorise> {
    return authorise({
      mode: this.#options.rules.authorisation,
      namespace: request.namespace,
      repository: request.reference.repository,
      digest,
      cause: request.cause,
      pods: this.#options.view.pods.store.find("digest", digest),
      holders: found.holders,
    });
  }

  async #room(
    request: PlanRequest,
    found: FoundImage,
    sources: readonly string[],
    signal: AbortSignal,
  ): Promise<ReturnType<typeof checkRoom>> {
    const { clients, rules } = this.#options;
    const [first] = sources;
    const blobs = first === undefined ? found.onTarget?.blobs : found.images.get(first)?.blobs;
    const facts = await clients
      .get(request.targetNode)
      ?.getNode({}, { signal, timeoutMs: QUESTION_TIMEOUT_MS });
    return checkRoom({
      blobs: asOnTarget(blobs ?? [], found.onTarget?.blobs ?? []),
      freeBytes: facts?.imageFsFreeBytes === undefined ? undefined : Number(facts.imageFsFreeBytes),
      totalBytes: facts?.imageFsTotalBytes === undefined ? undefined : Number(facts.imageFsTotalBytes),
      minFreePercent: rules.minFreePercent,
      maxImageBytes: rules.maxImageBytes,
    });
  }
}

/** The blobs of a source, with what the target has of them. */
function asOnTarget(wanted: readonly NodeBlob[], here: readonly NodeBlob[]): readonly NodeBlob[] {
  const known = new Map(here.map((blob) => [blob.digest, blob]));
  return wanted.map((blob) => {
    const own = known.get(blob.digest);
    return { ...blob, present: own?.present === true, unpacked: own?.unpacked === true };
  });
}

function refuse(reason: RefusedReason, message: string): Finding {
  return { kind: "refused", reason, message };
}

function onlyDetected(digest: Digest, holders: readonly string[]): Finding {
  const message = "it could be moved, but no agents are configured: --agent-namespace and --agents are empty";
  return { kind: "refused", reason: "NoAgent", message, salvageable: { digest, holders } };
}
