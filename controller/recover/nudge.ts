/** When the kubelet is woken after its image has come, and when that has not helped. */

import { NOT_RECOVERED_AT_MS, NUDGE_AT_MS } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";

/** The next thing to do for a pod that still waits. */
export type NudgeStep =
  | { readonly kind: "nudge" }
  | { readonly kind: "wait"; readonly milliseconds: number }
  /** it has not recovered, as far as tote can tell */
  | { readonly kind: "give_up" };

/**
 * What to do next for a pod that still waits: nudges at 0, 10, 30 and 60 s, the end at 120 s. A nudge that is late, say
 * after a change of leader, is made once, not as often as it was missed. Pure.
 *
 * @param elapsed milliseconds since the image is visible
 * @param lastNudge milliseconds from then to the last nudge, undefined before the first
 */
export function nextNudge(elapsed: number, lastNudge: number | undefined): NudgeStep {
  if (elapsed >= NOT_RECOVERED_AT_MS) return { kind: "give_up" };
  const due = NUDGE_AT_MS.filter((at) => at <= elapsed);
  const latest = due.at(-1);
  if (latest !== undefined && (lastNudge === undefined || lastNudge < latest)) return { kind: "nudge" };
  const next = NUDGE_AT_MS.find((at) => at > elapsed) ?? NOT_RECOVERED_AT_MS;
  return { kind: "wait", milliseconds: next - elapsed };
}

/**
 * The merge patch that wakes the kubelet: any change of an annotation makes it look at the pod at once. It goes to
 * `pods/status`, which leaves the pod's spec alone.
 *
 * @param now milliseconds since 1970; a repeat must differ, or nothing changes
 */
export function nudgePatch(uid: string, now: number): object {
  // the uid makes the API server refuse the patch for a new pod of the same name
  return { metadata: { uid, annotations: { [ANNOTATIONS.salvagedAt]: new Date(now).toISOString() } } };
}
