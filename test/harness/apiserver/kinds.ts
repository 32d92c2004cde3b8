import { checkEvent, EVENT_FIELDS, eventTimes } from "./rules-events.ts";
import { checkLease, leaseTimes } from "./rules-leases.ts";
import {
  checkPod,
  createdPod,
  defaultedPod,
  POD_FIELDS,
  podGraceSeconds,
  podStatusUpdate,
} from "./rules-pods.ts";
import { META_FIELDS, plainFields, type SelectableFields } from "./selectors.ts";
import type { Cause } from "./status.ts";
import type { ServedObject } from "./types.ts";

/** A kind of object, and the rules of its registry strategy. */
export interface Kind {
  /** "" for the core group */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** has a status that only the subresource writes */
  readonly hasStatus: boolean;
  /** a CustomResourceDefinition made it */
  readonly isCustom: boolean;
  /** an update may leave resourceVersion out */
  readonly updatesBlindly: boolean;
  /** an update of what does not exist creates it */
  readonly createsOnUpdate: boolean;
  readonly countsGeneration: boolean;
  readonly fields: SelectableFields;
  /** Says why the JSON is none of this kind: 400. */
  readonly undecodable?: (object: ServedObject) => string | undefined;
  /** An object as it is stored, at every write: defaults filled in, unknown fields left out. */
  readonly normal?: (object: ServedObject) => ServedObject;
  /** A new object without what may not be set. Default: without status, if it has one. */
  readonly created?: (object: ServedObject) => ServedObject;
  /** An object as it is stored after its status was written. */
  readonly statusUpdate?: (object: ServedObject, old: ServedObject) => ServedObject;
  /** What is wrong with it: 422. */
  readonly check?: (object: ServedObject, old: ServedObject | undefined) => readonly Cause[];
  /** Seconds that a deletion leaves it; 0 removes it at once. */
  readonly graceSeconds?: (object: ServedObject, asked: number | undefined) => number;
}

/** The kinds that are there without a CustomResourceDefinition. */
export const BUILT_IN: readonly Kind[] = [
  {
    ...builtIn("", "v1", "Pod", "pods"),
    hasStatus: true,
    fields: POD_FIELDS,
    normal: defaultedPod,
    created: createdPod,
    statusUpdate: podStatusUpdate,
    check: checkPod,
    graceSeconds: podGraceSeconds,
  },
  {
    ...builtIn("", "v1", "Node", "nodes", false),
    hasStatus: true,
    fields: { ...META_FIELDS, ...plainFields("spec.unschedulable") },
    // a kubelet registers with its status
    created: (node) => node,
    statusUpdate: (node, old) => withField(node, "spec", old["spec"]),
  },
  {
    ...builtIn("", "v1", "Namespace", "namespaces", false),
    hasStatus: true,
    fields: { ...META_FIELDS, ...plainFields("status.phase") },
    created: (namespace) => ({ ...namespace, status: { phase: "Active" } }),
  },
  {
    ...builtIn("coordination.k8s.io", "v1", "Lease", "leases"),
    updatesBlindly: false,
    createsOnUpdate: true,
    undecodable: leaseTimes,
    check: checkLease,
  },
  {
    ...builtIn("events.k8s.io", "v1", "Event", "events"),
    createsOnUpdate: true,
    fields: EVENT_FIELDS,
    undecodable: eventTimes,
    check: checkEvent,
  },
  {
    ...builtIn("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    updatesBlindly: false,
    countsGeneration: true,
  },
  builtIn("", "v1", "Secret", "secrets"),
  {
    ...builtIn(
      "admissionregistration.k8s.io",
      "v1",
      "ValidatingWebhookConfiguration",
      "validatingwebhookconfigurations",
      false,
    ),
    updatesBlindly: false,
    countsGeneration: true,
  },
  ...["ReplicaSet", "Deployment", "StatefulSet", "DaemonSet"].map((kind) => owner("apps", kind)),
  ...["Job", "CronJob"].map((kind) => owner("batch", kind)),
];

function owner(group: string, kind: string): Kind {
  return {
    ...builtIn(group, "v1", kind, `${kind.toLowerCase()}s`),
    hasStatus: true,
    countsGeneration: true,
  };
}

function builtIn(group: string, version: string, kind: string, plural: string, namespaced = true): Kind {
  return {
    group,
    version,
    kind,
    plural,
    namespaced,
    hasStatus: false,
    isCustom: false,
    updatesBlindly: true,
    createsOnUpdate: false,
    countsGeneration: false,
    fields: META_FIELDS,
  };
}

/** "v1" or "apps/v1". */
export function apiVersionOf({ group, version }: Kind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** An object with one field replaced, or removed when the value is undefined. */
export function withField(object: ServedObject, field: string, value: unknown): ServedObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { [field]: _dropped, ...others } = rest;
  return { apiVersion, kind, metadata, ...others, ...(value !== undefined && { [field]: value }) };
}
