import { isKubeEvent, isKubeObject, isLease } from "./guards.ts";
import type { KubeEvent, KubeObject, Lease } from "./objects.ts";

/** A kind of object, as the API server's paths name it. */
export interface KubeResource<T extends KubeObject = KubeObject> {
  /** "" for the core group */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** lower case plural, as in paths and RBAC rules */
  readonly plural: string;
  readonly namespaced: boolean;
  /** tells its objects from anything else that may come as an answer */
  readonly is: (value: unknown) => value is T;
}

/** Where an object is. */
export interface ObjectKey {
  readonly name: string;
  /** must be set for namespaced resources and absent for others */
  readonly namespace?: string | undefined;
}

/** v1 Pod */
export const PODS = resource("", "v1", "Pod", "pods");
/** v1 Node, of the whole cluster */
export const NODES = clusterResource("", "v1", "Node", "nodes");
/** v1 Namespace, of the whole cluster */
export const NAMESPACES = clusterResource("", "v1", "Namespace", "namespaces");
/** coordination.k8s.io/v1 Lease */
export const LEASES: KubeResource<Lease> = {
  ...resource("coordination.k8s.io", "v1", "Lease", "leases"),
  is: isLease,
};
/** events.k8s.io/v1 Event */
export const EVENTS: KubeResource<KubeEvent> = {
  ...resource("events.k8s.io", "v1", "Event", "events"),
  is: isKubeEvent,
};
/** The same as others have written them: `eventTime` is null where they use the core/v1 API. To be read alone. */
export const ANY_EVENTS = resource("events.k8s.io", "v1", "Event", "events");
/** apiextensions.k8s.io/v1 CustomResourceDefinition, of the whole cluster */
export const CUSTOM_RESOURCE_DEFINITIONS = clusterResource(
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
);
/** tote.dev/v1alpha1 SalvageRecord */
export const SALVAGE_RECORDS = resource("tote.dev", "v1alpha1", "SalvageRecord", "salvagerecords");

/** The kinds in apps and batch that own pods or own what owns pods. */
export const OWNERS: readonly KubeResource[] = [
  resource("apps", "v1", "ReplicaSet", "replicasets"),
  resource("apps", "v1", "Deployment", "deployments"),
  resource("apps", "v1", "StatefulSet", "statefulsets"),
  resource("apps", "v1", "DaemonSet", "daemonsets"),
  resource("batch", "v1", "Job", "jobs"),
  resource("batch", "v1", "CronJob", "cronjobs"),
];

/** "group/version", or "v1" for the core group, as in `apiVersion`. */
export function apiVersionOf({ group, version }: KubeResource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The key of an object in stores and queues: "namespace/name", or "name" without a namespace. */
export function keyOf({ name, namespace }: ObjectKey): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The inverse of {@link keyOf}. */
export function parseKey(key: string): ObjectKey {
  const at = key.indexOf("/");
  return at < 0 ? { name: key } : { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

/**
 * The path of a collection.
 * @param namespace absent for all namespaces
 */
export function collectionPath(of: KubeResource, namespace?: string): string {
  const root = of.group === "" ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`;
  if (namespace === undefined) return `${root}/${of.plural}`;
  if (!of.namespaced) throw new RangeError(`${of.plural} have no namespace, got "${namespace}"`);
  return `${root}/namespaces/${segment("namespace", namespace)}/${of.plural}`;
}

/**
 * The path of an object or of its subresource.
 * @throws RangeError when the namespace is missing or too much, or a name could lead elsewhere
 */
export function objectPath(of: KubeResource, key: ObjectKey, subresource?: "status"): string {
  if (of.namespaced && key.namespace === undefined) {
    throw new RangeError(`${of.plural} need a namespace, got none for "${key.name}"`);
  }
  const path = `${collectionPath(of, key.namespace)}/${segment("name", key.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

function resource(group: string, version: string, kind: string, plural: string): KubeResource {
  return { group, version, kind, plural, namespaced: true, is: isKubeObject };
}

function clusterResource(group: string, version: string, kind: string, plural: string): KubeResource {
  return { group, version, kind, plural, namespaced: false, is: isKubeObject };
}

/** Names come from objects that others wrote; none that the API server would take holds a slash or is a dot. */
function segment(what: string, text: string): string {
  if (text === "" || text === "." || text === ".." || /[/%?#]/.test(text)) {
    throw new RangeError(`${what} "${text.slice(0, 100)}" cannot be part of a path`);
  }
  return encodeURIComponent(text);
}
