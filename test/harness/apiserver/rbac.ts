import { forbidden, Refusal } from "./status.ts";
import type { ApiUser, PolicyRule } from "./types.ts";

/** What somebody wants to do. */
export interface Access {
  readonly verb: string;
  readonly group: string;
  /** plural */
  readonly resource: string;
  readonly kind: string;
  readonly subresource: string;
  /** "" for the whole cluster */
  readonly namespace: string;
  /** "" for collections */
  readonly name: string;
}

/**
 * Decides as the RBAC authorizer does.
 * @throws Refusal 403
 */
export function authorize(user: ApiUser, access: Access): void {
  const rules = [...(user.clusterRules ?? []), ...(user.rules?.[access.namespace] ?? [])];
  if (user.isAdmin === true || rules.some((rule) => allows(rule, access))) return;
  const { verb, group, resource, kind, subresource, namespace, name } = access;
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  throw forbidden(
    { group, plural: resource, kind, name },
    `User "${user.name}" cannot ${verb} resource "${what}" in API group "${group}" ${where}`,
  );
}

/** Paths that are no resources: everybody who is known may read the version and the health. */
export function authorizePath(user: ApiUser, verb: string, path: string): void {
  const isPublic = ["/version", "/healthz", "/readyz", "/livez"].includes(path);
  const rules = user.clusterRules ?? [];
  const isAllowed = rules.some(
    ({ nonResourceURLs = [], verbs }) => matches(verbs, verb) && matches(nonResourceURLs, path),
  );
  if (user.isAdmin === true || isPublic || isAllowed) return;
  throw new Refusal({
    code: 403,
    reason: "Forbidden",
    message: `forbidden: User "${user.name}" cannot ${verb} path "${path}"`,
    details: {},
  });
}

function allows(rule: PolicyRule, { verb, group, resource, subresource, name }: Access): boolean {
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const { apiGroups = [], resources = [], resourceNames = [] } = rule;
  return (
    matches(rule.verbs, verb) &&
    matches(apiGroups, group) &&
    (matches(resources, what) || (subresource !== "" && resources.includes(`*/${subresource}`))) &&
    (resourceNames.length === 0 || resourceNames.includes(name))
  );
}

function matches(list: readonly string[], value: string): boolean {
  return list.includes("*") || list.includes(value);
}
