/** What a record or a group of failing pods is about, in the form that planning takes. */

import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference, type ImageReference } from "../../lib/reference.ts";
import { dispositionOf } from "../detect/disposition.ts";
import type { FailingContainer } from "../detect/failure-watch.ts";
import type { OwnerLink } from "../objects/owner.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { RecordPod } from "../objects/salvage-record.ts";

/** The failure that stands for a group: one that can be helped, if there is one, and the oldest of these. */
export function leadingFailure(failing: readonly FailingContainer[]): FailingContainer | undefined {
  return failing.find(({ episode }) => dispositionOf(episode.failure).kind !== "report") ?? failing[0];
}

/** The pods of a group, each once. */
export function podsOf(failing: readonly FailingContainer[]): readonly RecordPod[] {
  const pods = new Map(failing.map(({ pod }) => [pod.uid, { name: pod.name, uid: pod.uid }]));
  return [...pods.values()];
}

/** The topmost owner that could be read, or the pod itself: what people know a workload by. */
export function topOwner(
  pod: StrippedPod,
  owners: readonly OwnerLink[],
): { readonly kind: string; readonly name: string } {
  const top = owners.findLast((owner) => owner.kind === "read")?.reference ?? pod.owner;
  return top === undefined ? { kind: "Pod", name: pod.name } : { kind: top.kind, name: top.name };
}

/** The image name, or why it is none. */
export function readReference(
  image: string,
):
  | { readonly kind: "reference"; readonly reference: ImageReference }
  | { readonly kind: "illegal"; readonly message: string } {
  try {
    return { kind: "reference", reference: parseReference(image) };
  } catch (error) {
    if (error instanceof InvalidValueError) return { kind: "illegal", message: error.message };
    throw error;
  }
}
