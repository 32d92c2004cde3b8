/** Owners of pods: references, where the API server has them, and what is kept of them. */

import { asObject, asObjects, asText } from "./json.ts";
import { toteAnnotations } from "./metadata.ts";
import type { OwnerReference } from "./pod.ts";
import { noPool, type StringPool } from "./string-pool.ts";

/** More owner references than these are not looked at. */
const REFERENCES_MAX = 64;

/** One owner on the way up from a pod. */
export type OwnerLink =
  | {
      readonly kind: "read";
      readonly reference: OwnerReference;
      readonly annotations: Readonly<Record<string, string>>;
      /** its own owner */
      readonly owner?: OwnerReference;
    }
  /** it could not be read: 403 or 404, or a kind without a known resource; counts as no opt-in */
  | { readonly kind: "unreadable"; readonly reference: OwnerReference; readonly why: string };

/** The reference of an object's metadata that says `controller: true`. */
export function controllerOf(
  metadata: Readonly<Record<string, unknown>>,
  pool: StringPool = noPool,
): OwnerReference | undefined {
  const reference = asObjects(metadata["ownerReferences"], REFERENCES_MAX).find(
    (candidate) => candidate["controller"] === true,
  );
  if (reference === undefined) return undefined;
  return {
    apiVersion: pool.share(asText(reference["apiVersion"])),
    kind: pool.share(asText(reference["kind"])),
    name: pool.share(asText(reference["name"])),
    uid: pool.share(asText(reference["uid"])),
  };
}

/** Strips an owner that was read. One with another uid than its reference is another object of the same name. */
export function stripOwner(reference: OwnerReference, raw: unknown): OwnerLink {
  const metadata = asObject(asObject(raw)["metadata"]);
  if (asText(metadata["uid"]) !== reference.uid) {
    return { kind: "unreadable", reference, why: "it was deleted and made again" };
  }
  const owner = controllerOf(metadata);
  return {
    kind: "read",
    reference,
    annotations: toteAnnotations(metadata),
    ...(owner !== undefined && { owner }),
  };
}

/**
 * Path of an owner in the API: "/apis/apps/v1/namespaces/shop/replicasets/web-1". Resource names of kinds that are not
 * built in follow the rule of English, as nearly all custom resources do.
 * @returns undefined when the reference is not one the API server would have
 */
export function ownerPath(reference: OwnerReference, namespace: string): string | undefined {
  const { apiVersion, kind, name } = reference;
  const group = /^(?:([a-z0-9.-]+)\/)?(v[a-z0-9]+)$/.exec(apiVersion);
  if (group === null || !/^[A-Z][a-zA-Z0-9]{0,62}$/.test(kind) || !/^[a-z0-9][a-z0-9.-]{0,252}$/.test(name)) {
    return undefined;
  }
  const root = group[1] === undefined ? "/api" : "/apis";
  return `${root}/${apiVersion}/namespaces/${namespace}/${plural(kind.toLowerCase())}/${name}`;
}

function plural(kind: string): string {
  if (/(?:s|x|z|ch|sh)$/.test(kind)) return `${kind}es`;
  if (/[^aeiou]y$/.test(kind)) return `${kind.slice(0, -1)}ies`;
  return `${kind}s`;
}
