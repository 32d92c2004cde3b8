import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { parse } from "yaml";

import type { Kubectl } from "./kubectl.ts";

/** Where tote lives in a cluster. */
export const TOTE_NAMESPACE = "tote";

const CHART = fileURLToPath(new URL("../../charts/tote/", import.meta.url));

/** Who gets the controller's rights (rbac.authorization.k8s.io/v1, Subject). */
export interface Subject {
  readonly kind: "ServiceAccount" | "User";
  readonly name: string;
  readonly namespace?: string;
}

/** Installs the definition of SalvageRecord and waits until it is served. */
export async function installDefinition(kubectl: Kubectl): Promise<void> {
  await kubectl(["apply", "-f", join(CHART, "crds")]);
  await kubectl(["wait", "--for=condition=Established", "crd/salvagerecords.tote.dev", "--timeout=60s"]);
}

/**
 * The controller's rights as manifests: what the chart's files say, and nothing more.
 * @param place names the roles and their bindings, and the namespace that the Role is for
 */
export async function rightsManifests(
  subjects: readonly Subject[],
  place: { readonly name: string; readonly namespace: string } = {
    name: "tote-controller",
    namespace: TOTE_NAMESPACE,
  },
): Promise<readonly object[]> {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const apiGroup = "rbac.authorization.k8s.io";
  const { name } = place;
  const whole = { name };
  const local = { name, namespace: place.namespace };
  const given = subjects.map((subject) => (subject.kind === "User" ? { ...subject, apiGroup } : subject));
  const roleRef = (kind: string): object => ({ apiGroup, kind, name });
  return [
    { apiVersion, kind: "ClusterRole", metadata: whole, rules: await rules("cluster-role.yaml") },
    { apiVersion, kind: "Role", metadata: local, rules: await rules("role.yaml") },
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: whole,
      subjects: given,
      roleRef: roleRef("ClusterRole"),
    },
    { apiVersion, kind: "RoleBinding", metadata: local, subjects: given, roleRef: roleRef("Role") },
  ];
}

async function rules(file: string): Promise<unknown> {
  const parsed: unknown = parse(await readFile(join(CHART, "files", file), "utf8"));
  return parsed;
}
