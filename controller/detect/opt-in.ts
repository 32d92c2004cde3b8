/** Who has asked for tote: annotations on the namespace, and on the pod or an owner of it. */

import { ANNOTATIONS } from "../objects/metadata.ts";
import type { StrippedNamespace } from "../objects/namespace.ts";
import type { OwnerLink } from "../objects/owner.ts";

/** Namespaces that are never touched, whatever their annotations say. */
export const DENIED_NAMESPACES: ReadonlySet<string> = new Set([
  "kube-system",
  "kube-public",
  "kube-node-lease",
]);

/** What salvages go first. */
export const PRIORITIES = ["high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Why tote keeps its hands off. */
export type OptOutReason = "Disabled" | "NamespaceDenied" | "NamespaceNotOptedIn" | "WorkloadNotOptedIn";

/** Whether tote may act. */
export type OptIn =
  /** `by` is the object whose annotation says so: "Pod", "Deployment web" */
  | { readonly allowed: true; readonly by: string }
  | { readonly allowed: false; readonly reason: OptOutReason; readonly message: string };

/** What the rules look at. */
export interface OptInFacts {
  /** the kill switch, `--enabled` */
  readonly enabled: boolean;
  readonly namespaceName: string;
  /** undefined when it is not known (yet) */
  readonly namespace: StrippedNamespace | undefined;
}

/** The rules that hold for a whole namespace, and for orders. Pure. */
export function namespaceOptIn({ enabled, namespaceName, namespace }: OptInFacts): OptIn {
  if (!enabled) return refuse("Disabled", "tote is switched off with --enabled=false");
  if (DENIED_NAMESPACES.has(namespaceName)) {
    return refuse("NamespaceDenied", `tote never acts in ${namespaceName}`);
  }
  if (
    namespace === undefined ||
    namespace.isDeleting ||
    namespace.annotations[ANNOTATIONS.allow] !== "true"
  ) {
    return refuse(
      "NamespaceNotOptedIn",
      `namespace ${namespaceName} is not opted in: kubectl annotate namespace ${namespaceName} ${ANNOTATIONS.allow}=true`,
    );
  }
  return { allowed: true, by: `Namespace ${namespaceName}` };
}

/**
 * The rules for a pod: its namespace must allow it, and the pod or an owner must ask for it. The nearest "true" or
 * "false" decides. An owner that could not be read counts as silent, and is named. Pure.
 *
 * @param owners nearest first
 */
export function podOptIn(
  facts: OptInFacts & {
    readonly podAnnotations: Readonly<Record<string, string>>;
    readonly owners: readonly OwnerLink[];
  },
): OptIn {
  const namespace = namespaceOptIn(facts);
  if (!namespace.allowed) return namespace;
  const voices = annotated(facts.podAnnotations, facts.owners);
  for (const { by, annotations } of voices) {
    const value = annotations[ANNOTATIONS.autoSalvage];
    if (value === "true") return { allowed: true, by };
    if (value === "false")
      return refuse("WorkloadNotOptedIn", `${by} says ${ANNOTATIONS.autoSalvage}: "false"`);
  }
  const unread = facts.owners.filter((owner) => owner.kind === "unreadable");
  const because = unread
    .map(({ reference, why }) => ` (${reference.kind} ${reference.name}: ${why})`)
    .join("");
  return refuse(
    "WorkloadNotOptedIn",
    `neither the pod nor an owner has the annotation ${ANNOTATIONS.autoSalvage}: "true"${because}`,
  );
}

/** The priority that the pod or its nearest owner with a legal value asks for; normal without one. Pure. */
export function priorityOf(
  podAnnotations: Readonly<Record<string, string>>,
  owners: readonly OwnerLink[],
): Priority {
  for (const { annotations } of annotated(podAnnotations, owners)) {
    const value = PRIORITIES.find((priority) => priority === annotations[ANNOTATIONS.priority]);
    if (value !== undefined) return value;
  }
  return "normal";
}

function annotated(
  podAnnotations: Readonly<Record<string, string>>,
  owners: readonly OwnerLink[],
): readonly { readonly by: string; readonly annotations: Readonly<Record<string, string>> }[] {
  return [
    { by: "Pod", annotations: podAnnotations },
    ...owners
      .filter((owner) => owner.kind === "read")
      .map(({ reference, annotations }) => ({ by: `${reference.kind} ${reference.name}`, annotations })),
  ];
}

function refuse(reason: OptOutReason, message: string): OptIn {
  return { allowed: false, reason, message };
}
