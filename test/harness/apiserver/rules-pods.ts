import { isDeepStrictEqual } from "node:util";

import { asJson, asList, asText, isJson, type Json } from "./json.ts";
import { META_FIELDS, plainFields, type SelectableFields } from "./selectors.ts";
import { forbiddenField, required, type Cause } from "./status.ts";
import type { ServedObject } from "./types.ts";

// Sources: kubernetes pkg/registry/core/pod/strategy.go, pkg/apis/core/v1/defaults.go

/** What a watch of pods may select by. */
export const POD_FIELDS: SelectableFields = {
  ...META_FIELDS,
  ...plainFields(
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ),
};

const CONTAINER_LISTS = ["containers", "initContainers", "ephemeralContainers"] as const;

/** A pod with the defaults that the kubelet goes by. */
export function defaultedPod(pod: ServedObject): ServedObject {
  const spec: Json = {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    ...asJson(pod["spec"]),
  };
  for (const list of CONTAINER_LISTS) {
    if (Array.isArray(spec[list])) spec[list] = spec[list].map(defaultedContainer);
  }
  return { ...pod, spec };
}

/** A new pod: whatever status came with it is left out. */
export function createdPod(pod: ServedObject): ServedObject {
  return { ...pod, status: { phase: "Pending" } };
}

/** After a write to `pods/status`: metadata may change, all but its owners. */
export function podStatusUpdate(pod: ServedObject, old: ServedObject): ServedObject {
  const { ownerReferences } = old.metadata;
  const { ownerReferences: _dropped, ...metadata } = pod.metadata;
  return {
    ...pod,
    spec: old["spec"],
    metadata: {
      ...metadata,
      name: pod.metadata.name,
      ...(ownerReferences !== undefined && { ownerReferences }),
    },
  };
}

/** What must hold for a pod: containers at first, and later only their images may change. */
export function checkPod(pod: ServedObject, old: ServedObject | undefined): readonly Cause[] {
  if (old !== undefined) {
    const isSame = isDeepStrictEqual(unchangeable(pod["spec"]), unchangeable(old["spec"]));
    return isSame
      ? []
      : [forbiddenField("spec", "pod updates may not change fields other than `spec.containers[*].image`")];
  }
  const containers = asList(asJson(pod["spec"])["containers"]);
  if (containers.length === 0) return [required("spec.containers")];
  return containers.flatMap((container, at) =>
    ["name", "image"].flatMap((field) =>
      asText(asJson(container)[field]) === "" ? [required(`spec.containers[${at}].${field}`)] : [],
    ),
  );
}

/** Seconds that a deletion waits for the kubelet to end the containers. */
export function podGraceSeconds(pod: ServedObject, asked: number | undefined): number {
  const spec = asJson(pod["spec"]);
  const phase = asText(asJson(pod["status"])["phase"]);
  if (asText(spec["nodeName"]) === "" || phase === "Failed" || phase === "Succeeded") return 0;
  const own = spec["terminationGracePeriodSeconds"];
  return asked ?? (typeof own === "number" ? own : 0);
}

function defaultedContainer(container: unknown): unknown {
  if (!isJson(container) || typeof container["imagePullPolicy"] === "string") return container;
  const image = asText(container["image"]);
  const last = image.slice(image.lastIndexOf("/") + 1);
  const isLatest = !last.includes("@") && (!last.includes(":") || last.endsWith(":latest"));
  return { ...container, imagePullPolicy: isLatest ? "Always" : "IfNotPresent" };
}

/** The spec without what an update may change. */
function unchangeable(spec: unknown): Json {
  const { activeDeadlineSeconds: _a, tolerations: _t, ...rest } = asJson(spec);
  for (const list of CONTAINER_LISTS) {
    if (Array.isArray(rest[list])) {
      rest[list] = rest[list].map((container: unknown) => ({ ...asJson(container), image: "" }));
    }
  }
  return rest;
}
