/** What pods and nodes tell about the digest of an image name. */

import type { Digest } from "../../lib/digest.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference, type ImageReference } from "../../lib/reference.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { PodContainer, StrippedPod } from "../objects/pod.ts";
import { parseDigestName, parseImageId } from "./image-id.ts";

/** One witness for one digest. */
export interface Evidence {
  readonly digest: Digest;
  /** who says so: "pod web-1" or "node node-a" */
  readonly from: string;
}

/** What pods and nodes are asked. */
export interface Witnesses {
  readonly pods: readonly StrippedPod[];
  readonly nodes: readonly StrippedNode[];
}

/** Running pods of the same controller and revision whose container has the very same image name. */
export function siblingEvidence(
  { pods, nodes }: Witnesses,
  failing: StrippedPod,
  reference: ImageReference,
): readonly Evidence[] {
  const { owner } = failing;
  if (owner === undefined) return [];
  const siblings = pods.filter(
    (pod) =>
      pod.namespace === failing.namespace &&
      pod.owner?.uid === owner.uid &&
      pod.revision === failing.revision,
  );
  return podEvidence({ pods: siblings, nodes }, reference, (container) => container.state === "running");
}

/** Pods of one namespace, running or finished, whose container has the very same image name. */
export function namespaceEvidence(
  { pods, nodes }: Witnesses,
  namespace: string,
  reference: ImageReference,
): readonly Evidence[] {
  const own = pods.filter((pod) => pod.namespace === namespace);
  const counts = (container: PodContainer, pod: StrippedPod): boolean =>
    container.state === "running" || isFinished(pod);
  return podEvidence({ pods: own, nodes }, reference, counts);
}

/** Images that a node's status lists under the name and exactly one digest of the same repository. */
export function nodeEvidence(nodes: readonly StrippedNode[], reference: ImageReference): readonly Evidence[] {
  // the cheap test first: a large cluster lists hundreds of thousands of names
  const end = reference.canonical.slice(reference.canonical.lastIndexOf("/") + 1);
  return nodes.flatMap((node) => {
    const images = node.images.filter((names) =>
      names.some((name) => name.endsWith(end) && canonicalName(name) === reference.canonical),
    );
    const digests = new Set(images.flatMap((names) => digestsOf(names, reference.repository)));
    return [...digests].map((digest) => ({ digest, from: `node ${node.name}` }));
  });
}

function podEvidence(
  { pods, nodes }: Witnesses,
  reference: ImageReference,
  counts: (container: PodContainer, pod: StrippedPod) => boolean,
): readonly Evidence[] {
  return pods.flatMap((pod) =>
    pod.containers
      .filter((container) => counts(container, pod) && canonicalName(container.image) === reference.canonical)
      .flatMap(({ imageId, otherTag }) => {
        const identity = parseImageId(imageId);
        if (identity?.repository !== reference.repository) return [];
        const { repository, digest } = identity;
        const isNamed =
          otherTag === undefined ||
          isOneImage([reference.canonical, otherTag, `${repository}@${digest}`], pod.nodeName, nodes);
        return isNamed ? [{ digest, from: `pod ${pod.name}` }] : [];
      }),
  );
}

/**
 * Whether the node lists all the names for one image. The runtime tells the first tag of an image, which need not be the
 * one of the spec; but a container that still ends after an edit in place tells the tag from before.
 */
function isOneImage(names: readonly string[], nodeName: string, nodes: readonly StrippedNode[]): boolean {
  const node = nodes.find(({ name }) => name === nodeName);
  return node?.images.some((image) => names.every((name) => image.includes(name))) === true;
}

/** While a container of a live pod has ended, its status may tell of the image before an edit in place. */
function isFinished(pod: StrippedPod): boolean {
  return pod.phase === "Succeeded" || pod.phase === "Failed";
}

function digestsOf(names: readonly string[], repository: string): readonly Digest[] {
  return names
    .map(parseDigestName)
    .flatMap((identity) => (identity?.repository === repository ? [identity.digest] : []));
}

function canonicalName(name: string): string | undefined {
  try {
    return parseReference(name).canonical;
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}
