import { ANNOTATION_MAX_CHARS } from "../limits.ts";
import { asObject } from "./json.ts";
import { cutText } from "./text.ts";

/** Annotations of ours. */
export const ANNOTATIONS = {
  /** on a namespace: "true" lets tote act in it */
  allow: "tote.dev/allow",
  /** on a pod or an owner of it: "true" asks tote to act, "false" not to */
  autoSalvage: "tote.dev/auto-salvage",
  /** on a pod or an owner of it: high, normal or low */
  priority: "tote.dev/priority",
  /** on a pod, written by the controller: when its image came */
  salvagedAt: "tote.dev/salvaged-at",
} as const;

const OURS: ReadonlySet<string> = new Set(Object.values(ANNOTATIONS));
const NONE: Readonly<Record<string, string>> = Object.freeze({});

/** The annotations of an object that are ours, with their values cut to a bounded length. */
export function toteAnnotations(
  metadata: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  const annotations = asObject(metadata["annotations"]);
  const ours = [...OURS].flatMap((name) => {
    const value = annotations[name];
    return typeof value === "string" ? [[name, cutText(value, ANNOTATION_MAX_CHARS)] as const] : [];
  });
  return ours.length === 0 ? NONE : Object.fromEntries(ours);
}
