/** The Pod Security Standards over a pod's spec. Source: Kubernetes, "Pod Security Standards", v1.35. Pure. */

import { asObject, asObjects, asText, asTexts } from "../../controller/objects/json.ts";
import type { Json } from "./helm.ts";

/** Where a pod breaks a standard: the control's name and what was found. */
export type Violation = `${string}: ${string}`;

const RESTRICTED_VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);
const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"];
const PROBES = ["livenessProbe", "readinessProbe", "startupProbe"];
const SELINUX_TYPES = new Set([
  "",
  "container_t",
  "container_init_t",
  "container_kvm_t",
  "container_engine_t",
]);

/** What keeps a pod out of a namespace with the standard "baseline". */
export function baselineViolations(spec: Json): readonly Violation[] {
  const found: Violation[] = [];
  for (const name of ["hostNetwork", "hostPID", "hostIPC"]) {
    if (spec[name] === true) found.push(`Host Namespaces: ${name}`);
  }
  for (const volume of asObjects(spec["volumes"], 100)) {
    if (volume["hostPath"] !== undefined) found.push(`HostPath Volumes: ${asText(volume["name"])}`);
  }
  for (const { context, container } of contexts(spec)) {
    const name = asText(container["name"]);
    if (context["privileged"] === true) found.push(`Privileged Containers: ${name}`);
    const { add } = asObject(context["capabilities"]);
    if (asTexts(add, 100).length > 0) found.push(`Capabilities: ${name} adds ${asTexts(add, 100).join()}`);
    if (asObjects(container["ports"], 100).some((port) => port["hostPort"] !== undefined)) {
      found.push(`Host Ports: ${name}`);
    }
    const { type, user, role } = asObject(context["seLinuxOptions"]);
    if (!SELINUX_TYPES.has(asText(type))) found.push(`SELinux: ${asText(type)}`);
    if (asText(user) !== "" || asText(role) !== "") found.push(`SELinux: user or role of ${name}`);
    if (asObject(context["windowsOptions"])["hostProcess"] === true) found.push(`HostProcess: ${name}`);
    if (asText(asObject(context["appArmorProfile"])["type"]) === "Unconfined")
      found.push(`AppArmor: ${name}`);
    if (asksHost(container)) found.push(`Host Probes / Lifecycle Hooks: ${name}`);
    if (context["procMount"] !== undefined && context["procMount"] !== "Default")
      found.push(`/proc Mount Type: ${name}`);
    if (profile(context) === "Unconfined") found.push(`Seccomp: ${name}`);
  }
  if (asObjects(asObject(spec["securityContext"])["sysctls"], 100).length > 0) found.push("Sysctls: set");
  return found;
}

/** What keeps a pod out of a namespace with the standard "restricted". */
export function restrictedViolations(spec: Json): readonly Violation[] {
  const found: Violation[] = [...baselineViolations(spec)];
  for (const volume of asObjects(spec["volumes"], 100)) {
    const type = Object.keys(volume).find((key) => key !== "name") ?? "";
    if (!RESTRICTED_VOLUMES.has(type)) found.push(`Volume Types: ${type}`);
  }
  for (const { context, container } of contexts(spec)) {
    const name = asText(container["name"]);
    if (context["allowPrivilegeEscalation"] !== false) found.push(`Privilege Escalation: ${name}`);
    if (context["runAsNonRoot"] !== true) found.push(`Running as Non-root: ${name}`);
    if (context["runAsUser"] === 0) found.push(`Running as Non-root user: ${name}`);
    if (!["RuntimeDefault", "Localhost"].includes(profile(context))) found.push(`Seccomp: ${name}`);
    const { drop } = asObject(context["capabilities"]);
    if (!asTexts(drop, 100).includes("ALL")) found.push(`Capabilities: ${name} keeps some`);
  }
  return found;
}

/** Whether a probe or a hook names a host of its own. */
function asksHost(container: Json): boolean {
  const hooks = asObject(container["lifecycle"]);
  return [...PROBES.map((probe) => container[probe]), hooks["postStart"], hooks["preStop"]].some(
    (handler) => {
      const { httpGet, tcpSocket } = asObject(handler);
      return [httpGet, tcpSocket].some((action) => asText(asObject(action)["host"]) !== "");
    },
  );
}

/** Each container with its security context, over that of the pod. */
function contexts(spec: Json): readonly { readonly context: Json; readonly container: Json }[] {
  const ofPod = asObject(spec["securityContext"]);
  return CONTAINER_LISTS.flatMap((list) => asObjects(spec[list], 100)).map((container) => ({
    container,
    context: { ...ofPod, ...asObject(container["securityContext"]) },
  }));
}

function profile(context: Json): string {
  return asText(asObject(context["seccompProfile"])["type"]);
}
