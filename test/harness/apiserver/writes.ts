import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";

import { hasSpecChanged } from "./custom-kind.ts";
import { asJson, asText, isJson, mergePatch } from "./json.ts";
import { apiVersionOf, withField, type Kind } from "./kinds.ts";
import { subjectOf, targetKey, type Target } from "./routes.ts";
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  forbiddenField,
  invalid,
  invalidValue,
  notFound,
  Refusal,
  required,
} from "./status.ts";
import { withMeta, type Storage } from "./storage.ts";
import type { ServedObject } from "./types.ts";

const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** What writes need. */
export interface WriteContext {
  readonly storage: Storage;
  /** milliseconds since 1970 */
  readonly now: () => number;
  /** Whether there is a namespace, and whether it is being deleted. */
  readonly namespace: (name: string) => "active" | "terminating" | undefined;
}

/**
 * Creates, as k8s.io/apiserver/pkg/registry/generic does.
 * @throws Refusal
 */
export function create(context: WriteContext, target: Target, body: unknown): ServedObject {
  const { kind, namespace } = target;
  const object = decode(target, body);
  const named = { ...target, name: object.metadata.name };
  if (kind.namespaced) assertNamespace(context, named);
  // internal error, without a reason: so says the real one
  if (object.metadata.resourceVersion !== undefined) {
    throw new Refusal({ code: 500, message: "resourceVersion should not be set on objects to be created" });
  }
  const made = withMeta(fresh(kind, object), {
    namespace: kind.namespaced ? namespace : undefined,
    uid: randomUUID(),
    creationTimestamp: rfc3339(context.now()),
    generation: kind.countsGeneration ? 1 : undefined,
    deletionTimestamp: undefined,
    managedFields: undefined,
    selfLink: undefined,
  });
  assertValid(named, made, undefined);
  if (context.storage.collection(kind).get(targetKey(named)) !== undefined) {
    throw alreadyExists(subjectOf(named));
  }
  return context.storage.put(kind, made);
}

/**
 * Replaces an object or its status.
 * @returns the object, and whether it was created by this
 * @throws Refusal
 */
export function update(
  context: WriteContext,
  target: Target,
  body: unknown,
): { readonly object: ServedObject; readonly isNew: boolean } {
  const { kind } = target;
  const { storage } = context;
  const object = decode(target, body);
  if (object.metadata.name !== target.name) {
    throw badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${target.name})`,
    );
  }
  const old = storage.collection(kind).get(targetKey(target));
  const { uid, resourceVersion } = object.metadata;
  if (old === undefined) {
    if (!kind.createsOnUpdate || target.subresource !== "") throw notFound(subjectOf(target));
    if (uid !== undefined) throw uidConflict(target, uid, "");
    return { object: create(context, target, withMeta(object, { resourceVersion: undefined })), isNew: true };
  }
  if (uid !== undefined && uid !== old.metadata.uid) throw uidConflict(target, uid, old.metadata.uid ?? "");
  if (resourceVersion === undefined && !kind.updatesBlindly) {
    throw invalid(subjectOf(target), [
      invalidValue("metadata.resourceVersion", 0, "must be specified for an update"),
    ]);
  }
  if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(subjectOf(target));
  }
  return { object: commit(context, target, object, old), isNew: false };
}

/**
 * Applies a merge patch to an object or its status.
 * @throws Refusal
 */
export function patch(context: WriteContext, target: Target, body: unknown): ServedObject {
  const old = context.storage.collection(target.kind).get(targetKey(target));
  if (old === undefined) throw notFound(subjectOf(target));
  if (!isJson(body)) throw badRequest("the patch is no JSON object");
  const patched = mergePatch(old, body);
  // a patch of the same version as the object's is no condition that could fail
  return update(context, target, patched).object;
}

/**
 * Deletes, or marks as being deleted while finalizers or a grace period hold it.
 * @returns what is answered: the object, or a Status when it is gone
 * @throws Refusal
 */
export function remove(context: WriteContext, target: Target, body: unknown): object {
  const { kind } = target;
  const { storage } = context;
  const old = storage.collection(kind).get(targetKey(target));
  if (old === undefined) throw notFound(subjectOf(target));
  const options = asJson(body);
  const { uid, resourceVersion } = asJson(options["preconditions"]);
  if (typeof uid === "string" && uid !== old.metadata.uid)
    throw uidConflict(target, uid, old.metadata.uid ?? "");
  if (typeof resourceVersion === "string" && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(
      subjectOf(target),
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${old.metadata.resourceVersion}). The object might have been modified`,
    );
  }
  const query = target.query.get("gracePeriodSeconds");
  const asked = query === null ? options["gracePeriodSeconds"] : Number(query);
  const grace = kind.graceSeconds?.(old, typeof asked === "number" ? asked : undefined) ?? 0;
  const isHeld = grace > 0 || (old.metadata.finalizers ?? []).length > 0;
  if (isHeld && old.metadata.deletionTimestamp !== undefined && grace > 0) return old;
  if (isHeld) {
    const since = rfc3339(context.now() + grace * 1000);
    const marks = {
      deletionTimestamp: old.metadata.deletionTimestamp ?? since,
      deletionGracePeriodSeconds: grace,
    };
    const marked = withMeta(old, marks);
    return isDeepStrictEqual(marked, old) ? old : storage.put(kind, marked);
  }
  storage.remove(kind, targetKey(target));
  const { group, plural } = kind;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: target.name, ...(group !== "" && { group }), kind: plural, uid: old.metadata.uid },
  };
}

function commit(
  context: WriteContext,
  target: Target,
  object: ServedObject,
  old: ServedObject,
): ServedObject {
  const { kind } = target;
  const { storage } = context;
  const normal = kind.normal?.(object) ?? object;
  const next =
    target.subresource === "status"
      ? (kind.statusUpdate ?? statusOnly)(normal, old)
      : kind.hasStatus
        ? withField(normal, "status", old["status"])
        : normal;
  const generation = (old.metadata.generation ?? 0) + (hasSpecChanged(next, old) ? 1 : 0);
  const kept = withMeta(next, {
    namespace: old.metadata.namespace,
    uid: old.metadata.uid,
    creationTimestamp: old.metadata.creationTimestamp,
    deletionTimestamp: old.metadata.deletionTimestamp,
    deletionGracePeriodSeconds: old.metadata["deletionGracePeriodSeconds"],
    generation: kind.countsGeneration ? generation : undefined,
    resourceVersion: old.metadata.resourceVersion,
  });
  assertFinalizers(target, kept, old);
  assertValid(target, kept, old);
  if (isDeepStrictEqual(kept, old)) return old;
  const { finalizers = [], deletionTimestamp, deletionGracePeriodSeconds: grace = 0 } = kept.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0 || grace !== 0) return storage.put(kind, kept);
  // that was the last finalizer
  storage.remove(kind, targetKey(target));
  return kept;
}

function statusOnly(object: ServedObject, old: ServedObject): ServedObject {
  return withField({ ...old, metadata: object.metadata }, "status", object["status"]);
}

function fresh(kind: Kind, object: ServedObject): ServedObject {
  const normal = kind.normal?.(object) ?? object;
  if (kind.created !== undefined) return kind.created(normal);
  return kind.hasStatus ? withField(normal, "status", undefined) : normal;
}

/** Reads a body as an object of the target's kind. */
function decode(target: Target, body: unknown): ServedObject {
  const { kind, namespace } = target;
  if (!isJson(body)) throw badRequest("the object provided is unrecognized: it is no JSON object");
  const apiVersion = asText(body["apiVersion"]);
  const metadata = asJson(body["metadata"]);
  const wanted = apiVersionOf(kind);
  if (kind.isCustom && (asText(body["kind"]) === "" || apiVersion === "")) {
    throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(body)}'`);
  }
  if (apiVersion !== "" && apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`,
    );
  }
  if (asText(body["kind"]) !== "" && body["kind"] !== kind.kind) {
    throw badRequest(
      `${asText(body["kind"])} in version "${kind.version}" cannot be handled as a ${kind.kind}`,
    );
  }
  const own = asText(metadata["namespace"]);
  if (kind.namespaced && own !== "" && own !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  const object: ServedObject = {
    ...body,
    apiVersion: wanted,
    kind: kind.kind,
    metadata: { ...metadata, name: asText(metadata["name"]), ...(namespace !== "" && { namespace }) },
  };
  const problem = kind.undecodable?.(object);
  if (problem !== undefined) {
    throw badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${problem}`,
    );
  }
  return object;
}

function assertNamespace(context: WriteContext, target: Target): void {
  const { namespace } = target;
  const state = context.namespace(namespace);
  if (state === undefined) {
    throw notFound({ group: "", plural: "namespaces", kind: "Namespace", name: namespace });
  }
  if (state === "terminating") {
    throw forbidden(
      subjectOf(target),
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    );
  }
}

function assertFinalizers(target: Target, object: ServedObject, old: ServedObject): void {
  if (old.metadata.deletionTimestamp === undefined) return;
  const before = new Set(old.metadata.finalizers ?? []);
  const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return;
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
  throw invalid(subjectOf(target), [forbiddenField("metadata.finalizers", why)]);
}

function assertValid(target: Target, object: ServedObject, old: ServedObject | undefined): void {
  const { name } = object.metadata;
  const causes = [...(target.kind.check?.(object, old) ?? [])];
  if (name === "") causes.unshift(required("metadata.name", "name or generateName is required"));
  else if (!NAME.test(name)) {
    causes.unshift(
      invalidValue(
        "metadata.name",
        name,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
      ),
    );
  }
  if (causes.length > 0) throw invalid(subjectOf(target), causes);
}

function uidConflict(target: Target, wanted: string, found: string): Refusal {
  return conflict(
    subjectOf(target),
    `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${found}`,
  );
}

/** Whole seconds, as metav1.Time. */
export function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, "Z");
}
