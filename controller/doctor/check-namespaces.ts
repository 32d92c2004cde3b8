import { DENIED_NAMESPACES } from "../detect/opt-in.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import type { StrippedNamespace } from "../objects/namespace.ts";
import { counted, listed, type Check } from "./check.ts";
import type { Workload } from "./workloads.ts";

/** Names of namespaces in which tote may act, sorted. */
export function openNamespaces(namespaces: readonly StrippedNamespace[]): readonly string[] {
  return namespaces
    .filter(({ name, annotations, isDeleting }) => {
      return !isDeleting && annotations[ANNOTATIONS.allow] === "true" && !DENIED_NAMESPACES.has(name);
    })
    .map(({ name }) => name)
    .sort();
}

/** Whether anybody has asked for tote: namespaces that allow it, and workloads in them that want it. Pure. */
export function checkNamespaces(
  namespaces: readonly StrippedNamespace[],
  workloads: readonly Workload[],
): Check {
  const name = "namespaces";
  const open = openNamespaces(namespaces);
  const misspelt = namespaces.flatMap(({ name: namespace, annotations }) => {
    const value = annotations[ANNOTATIONS.allow];
    return value === undefined || value === "true" || value === "false"
      ? []
      : [`${namespace} (${JSON.stringify(value)})`];
  });
  const denied = namespaces.filter(
    (namespace) =>
      DENIED_NAMESPACES.has(namespace.name) && namespace.annotations[ANNOTATIONS.allow] === "true",
  );
  const idle = open.filter((namespace) => !workloads.some((workload) => workload.namespace === namespace));
  const remarks = [
    ...(open.length === 0
      ? [`kubectl annotate namespace NAME ${ANNOTATIONS.allow}=true lets tote act in one`]
      : []),
    ...(idle.length > 0
      ? [
          `no workload of ${listed(idle)} asks for it: kubectl annotate -n NAMESPACE deployment NAME ${ANNOTATIONS.autoSalvage}=true`,
        ]
      : []),
    ...(misspelt.length > 0 ? [`${ANNOTATIONS.allow} must be "true": ${listed(misspelt)}`] : []),
    ...(denied.length > 0
      ? [`tote never acts in ${listed(denied.map((namespace) => namespace.name))}, whatever is annotated`]
      : []),
  ];
  const summary =
    open.length === 0
      ? "no namespace is opted in"
      : `${counted(open.length, "namespace")} opted in (${listed(open)}), ${counted(workloads.length, "workload")} asking for it`;
  return { name, status: remarks.length > 0 ? "warn" : "ok", message: [summary, ...remarks].join("; ") };
}

/** Workloads whose pods always ask the registry: no image on the node can help them. Pure. */
export function checkPullPolicy(workloads: readonly Workload[]): Check {
  const name = "pull-policy";
  const always = workloads.filter(({ pullsAlways }) => pullsAlways.length > 0);
  if (always.length === 0) {
    return {
      name,
      status: "ok",
      message: `none of ${counted(workloads.length, "workload")} pulls at every start`,
    };
  }
  const which = always.map(
    ({ namespace, label, pullsAlways }) => `${namespace}/${label} (${pullsAlways.join(", ")})`,
  );
  return {
    name,
    status: "warn",
    message: `imagePullPolicy Always asks the registry whatever the node has, so tote cannot help ${listed(which)}: set IfNotPresent, which tags other than latest have by default`,
  };
}
