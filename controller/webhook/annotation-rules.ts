/** What annotations of tote an object may have, and where. Pure. */

import { PRIORITIES } from "../detect/opt-in.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import { QUOTED_VALUE_MAX_CHARS } from "./limits.ts";

/** Where annotations stand: what tote reads there differs. */
export type Place = "Namespace" | "Pod" | "workload" | "template";

/** What all annotations of tote begin with. */
const PREFIX = "tote.dev/";

interface Rule {
  readonly places: readonly Place[];
  /** what to do about it elsewhere */
  readonly elsewhere: string;
  readonly isValid: (value: string) => boolean;
  readonly must: string;
}

const BOOLEAN = {
  isValid: (value: string) => value === "true" || value === "false",
  must: 'must be "true" or "false"',
};
const WORKLOADS: readonly Place[] = ["Pod", "workload", "template"];

const RULES: ReadonlyMap<string, Rule> = new Map([
  [ANNOTATIONS.allow, { ...BOOLEAN, places: ["Namespace"], elsewhere: "it belongs on the Namespace" }],
  [
    ANNOTATIONS.autoSalvage,
    {
      ...BOOLEAN,
      places: WORKLOADS,
      elsewhere: `it belongs on a Pod or its owner, a Namespace has ${ANNOTATIONS.allow}`,
    },
  ],
  [
    ANNOTATIONS.priority,
    {
      places: WORKLOADS,
      elsewhere: "it belongs on a Pod or its owner",
      isValid: (value) => PRIORITIES.some((priority) => priority === value),
      must: `must be one of ${PRIORITIES.join(", ")}`,
    },
  ],
  [
    ANNOTATIONS.salvagedAt,
    {
      places: ["Pod"],
      elsewhere: "tote writes it, on Pods alone",
      isValid: (value) => /^\d{4}-\d{2}-\d{2}T/.test(value) && !Number.isNaN(Date.parse(value)),
      must: "must be a time such as 2026-01-31T12:00:00Z, and is written by tote",
    },
  ],
]);

/** One annotation that cannot be as it is. */
export interface AnnotationMistake {
  readonly name: string;
  readonly message: string;
}

/**
 * What is wrong with the annotations of one place; annotations of others are none of our business.
 * @param before what stood there before: what has not changed is not held against who changes something else
 */
export function annotationMistakes(
  place: Place,
  annotations: Readonly<Record<string, unknown>>,
  before: Readonly<Record<string, unknown>>,
): readonly AnnotationMistake[] {
  return Object.entries(annotations)
    .filter(([name, value]) => name.startsWith(PREFIX) && before[name] !== value)
    .flatMap(([name, value]) => {
      const message = mistake(place, name, typeof value === "string" ? value : "");
      return message === undefined ? [] : [{ name, message }];
    });
}

function mistake(place: Place, name: string, value: string): string | undefined {
  const rule = RULES.get(name);
  if (rule === undefined) return `unknown annotation, known are ${[...RULES.keys()].join(", ")}`;
  if (!rule.places.includes(place)) return `has no effect here, ${rule.elsewhere}`;
  const shown = JSON.stringify(value.slice(0, QUOTED_VALUE_MAX_CHARS));
  return rule.isValid(value) ? undefined : `${shown} is not allowed, ${rule.must}`;
}
