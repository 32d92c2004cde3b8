import type { Digest } from "../../lib/digest.ts";
import type { FailureCause } from "../detect/failure.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { parseImageId } from "../resolve/image-id.ts";
import type { Holder } from "../resolve/holders.ts";

/** Values of `--image-authorization`. */
export const AUTHORISATION_MODES = ["repository", "strict", "off"] as const;
export type AuthorisationMode = (typeof AUTHORISATION_MODES)[number];

/** What a salvage may rest on. */
export interface AuthorisationFacts {
  readonly mode: AuthorisationMode;
  readonly namespace: string;
  /** of the name that the pod uses, normalised */
  readonly repository: string;
  readonly digest: Digest;
  /** why the pull failed, the last that is known */
  readonly cause: FailureCause;
  /** pods that the API has; those of other namespaces prove nothing */
  readonly pods: readonly StrippedPod[];
  /** nodes that have the digest, the target among them when it has it under another name */
  readonly holders: readonly Holder[];
}

/** Whether this namespace may have this content, and what that rests on. */
export type Authorisation =
  | { readonly allowed: true; readonly kind: "pod" | "repository" | "off"; readonly evidence: string }
  | { readonly allowed: false; readonly message: string };

/**
 * Decides whether a namespace may have an image. An image on a node can be run by every pod there without its
 * registry's consent, so tote must not be a way around pull secrets. Pure.
 *
 * A: a pod of the same namespace has this repository and digest in the `imageID` of a container. B: a node holds the
 * digest under the repository that the pod names, and the registry has not refused the pod's credentials. "repository"
 * takes A or B, "strict" A only, "off" asks for nothing.
 */
export function authorise(facts: AuthorisationFacts): Authorisation {
  const { mode, namespace, repository, digest } = facts;
  if (mode === "off") return { allowed: true, kind: "off", evidence: "--image-authorization=off" };
  const pod = facts.pods.find((candidate) => candidate.namespace === namespace && runs(candidate, facts));
  if (pod !== undefined) {
    return {
      allowed: true,
      kind: "pod",
      evidence: `pod ${pod.name} of this namespace has ${repository}@${digest}`,
    };
  }
  const lacking = `no pod of namespace ${namespace} has ${repository}@${digest}`;
  if (mode === "strict") {
    return { allowed: false, message: `${lacking}, which --image-authorization=strict asks for` };
  }
  if (facts.cause === "unauthorized") {
    return {
      allowed: false,
      message: `the registry refused this pod's credentials and ${lacking}: check imagePullSecrets`,
    };
  }
  const holder = facts.holders.find((candidate) => candidate.repositories.includes(repository));
  if (holder === undefined) {
    return { allowed: false, message: `no node holds ${digest} under ${repository}, and ${lacking}` };
  }
  return {
    allowed: true,
    kind: "repository",
    evidence: `node ${holder.node} holds ${repository}@${digest}`,
  };
}

function runs(pod: StrippedPod, { repository, digest }: AuthorisationFacts): boolean {
  return pod.containers.some(({ imageId }) => {
    const identity = imageId.endsWith(digest) ? parseImageId(imageId) : undefined;
    return identity?.digest === digest && identity.repository === repository;
  });
}
