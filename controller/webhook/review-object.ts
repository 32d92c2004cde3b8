/** Looks through an object as the API server sends it for review: its annotations, those of its template, its images. Pure. */

import { ANNOTATIONS } from "../objects/metadata.ts";
import { asObject, asObjects, asText } from "../objects/json.ts";
import { annotationMistakes, type Place } from "./annotation-rules.ts";
import { MISTAKES_MAX } from "./limits.ts";

/** What is said of an object. */
export interface Verdict {
  /** one line each; empty when it may be written */
  readonly mistakes: readonly string[];
  /** shown to whoever writes it */
  readonly warnings: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

interface Site {
  readonly place: Place;
  /** as in errors of the API server, e.g. "spec.template.metadata.annotations" */
  readonly path: string;
  readonly metadata: Json;
}

const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"];
/** Most containers that are looked at; no pod has more. */
const CONTAINERS_MAX = 1000;
/** Most owners that are looked at; one of them is the controller. */
const OWNERS_MAX = 100;

/**
 * Reviews an object.
 * @param kind "Namespace", "Pod", or a kind of workload
 * @param before the object as it was; undefined for a new one
 */
export function reviewObject(kind: string, object: Json, before: Json | undefined): Verdict {
  // what is going away must not be kept by a word
  if (asText(asObject(object["metadata"])["deletionTimestamp"]) !== "") return { mistakes: [], warnings: [] };
  const old = before === undefined ? [] : sites(kind, before);
  const found = sites(kind, object).flatMap(({ place, path, metadata }) => {
    const was = asObject(old.find((site) => site.path === path)?.metadata["annotations"]);
    return annotationMistakes(place, asObject(metadata["annotations"]), was).map(
      ({ name, message }) => `${path}[${name}]: ${message}`,
    );
  });
  const shown = found.slice(0, MISTAKES_MAX);
  if (found.length > shown.length) shown.push(`and ${found.length - shown.length} more`);
  const warnings = pullPolicyWarnings(kind, object);
  // what a controller makes of a template that is older than the webhook: a pod that is refused would be missing
  return isMadeByController(object)
    ? { mistakes: [], warnings: [...shown, ...warnings] }
    : { mistakes: shown, warnings };
}

function isMadeByController(object: Json): boolean {
  const owners = asObjects(asObject(object["metadata"])["ownerReferences"], OWNERS_MAX);
  return owners.some(({ controller }) => controller === true);
}

function sites(kind: string, object: Json): readonly Site[] {
  const metadata = asObject(object["metadata"]);
  const path = "metadata.annotations";
  if (kind === "Namespace" || kind === "Pod") return [{ place: kind, path, metadata }];
  const own: Site = { place: "workload", path, metadata };
  if (kind !== "CronJob") return [own, template(object, "spec.template")];
  const job = asObject(asObject(object["spec"])["jobTemplate"]);
  return [
    own,
    { place: "workload", path: "spec.jobTemplate.metadata.annotations", metadata: asObject(job["metadata"]) },
    template(job, "spec.jobTemplate.spec.template"),
  ];
}

function template(owner: Json, path: string): Site {
  const found = asObject(asObject(owner["spec"])["template"]);
  return { place: "template", path: `${path}.metadata.annotations`, metadata: asObject(found["metadata"]) };
}

/** Whoever asks for tote and pulls at every start asks in vain. */
function pullPolicyWarnings(kind: string, object: Json): readonly string[] {
  const isAskedFor = sites(kind, object).some(
    ({ metadata }) => asObject(metadata["annotations"])[ANNOTATIONS.autoSalvage] === "true",
  );
  if (kind === "Namespace" || !isAskedFor) return [];
  const spec = podSpec(kind, object);
  const names = CONTAINER_LISTS.flatMap((list) => asObjects(spec[list], CONTAINERS_MAX))
    .filter((container) => container["imagePullPolicy"] === "Always")
    .map((container) => asText(container["name"]));
  if (names.length === 0) return [];
  return [
    `${ANNOTATIONS.autoSalvage} does not help ${names.length === 1 ? "container" : "containers"} ${names.join(", ")}: imagePullPolicy Always asks the registry at every start, use IfNotPresent and an image by digest`,
  ];
}

function podSpec(kind: string, object: Json): Json {
  const spec = asObject(object["spec"]);
  if (kind === "Pod") return spec;
  const owner = kind === "CronJob" ? asObject(asObject(spec["jobTemplate"])["spec"]) : spec;
  return asObject(asObject(owner["template"])["spec"]);
}
