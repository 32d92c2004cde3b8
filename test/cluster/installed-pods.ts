import { NAMESPACE } from "../chart/helm.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { ctr } from "../harness/ctr.ts";
import { parseMetrics } from "../harness/metrics.ts";
import type { Cluster } from "./cluster.ts";

/** Which pods of the release. */
export type Component = "controller" | "agent" | "relay";

/** A pod of the release. */
export interface InstalledPod {
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  readonly isReady: boolean;
  readonly restarts: number;
  /** of its one container, for containerd */
  readonly containerId: string;
}

/** Where /metrics of each is. */
export const METRICS_PORTS: Readonly<Record<Component, number>> = {
  controller: 8080,
  agent: 8081,
  relay: 8081,
};
const MAX_PODS = 100;

/** Pods of the release that are not being deleted. */
export async function installedPods(
  { kubectl }: Pick<Cluster, "kubectl">,
  component: Component,
): Promise<readonly InstalledPod[]> {
  const list = asObject(
    await kubectl.get(
      "pods",
      `--namespace=${NAMESPACE}`,
      `--selector=app.kubernetes.io/component=${component}`,
    ),
  );
  return asObjects(list["items"], MAX_PODS)
    .filter((pod) => asObject(pod["metadata"])["deletionTimestamp"] === undefined)
    .map((pod) => {
      const status = asObject(pod["status"]);
      const [container = {}] = asObjects(status["containerStatuses"], 1);
      return {
        name: asText(asObject(pod["metadata"])["name"]),
        node: asText(asObject(pod["spec"])["nodeName"]),
        ip: asText(status["podIP"]),
        isReady: container["ready"] === true,
        restarts: Number(container["restartCount"] ?? 0),
        containerId: asText(container["containerID"]).replace("containerd://", ""),
      };
    });
}

/** Kills what runs in a pod, as a crash or the kernel would (SIGKILL); the kubelet starts it again. */
export async function killPod(cluster: Cluster, { node, containerId }: InstalledPod): Promise<void> {
  const { containerd } = cluster.node(node);
  await ctr(containerd).exec(["tasks", "kill", "--signal", "SIGKILL", containerId]);
}

/** The value of a metric without labels, of a pod. Throws an Error when it is not there. */
export async function metricOf(component: Component, { ip }: InstalledPod, name: string): Promise<number> {
  const url = `http://${ip}:${METRICS_PORTS[component]}/metrics`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
  const value = parseMetrics(await answer.text()).get(name)?.samples[0]?.value;
  if (value === undefined) throw new Error(`${url} has no ${name}`);
  return value;
}

/** Name of the controller's pod that leads; "" when none does. */
export async function leadingPod(cluster: Cluster): Promise<string> {
  const lease = asObject(await cluster.kubectl.get("lease", "tote-controller", "--namespace", NAMESPACE));
  const holder = asText(asObject(lease["spec"])["holderIdentity"]);
  const pods = await installedPods(cluster, "controller");
  return pods.find(({ name }) => holder.startsWith(name))?.name ?? "";
}

/** How often the containers of the release were started again, by pod. */
export async function restartsOfAll(cluster: Cluster): Promise<Readonly<Record<string, number>>> {
  const all: InstalledPod[] = [];
  for (const component of ["controller", "agent", "relay"] as const) {
    all.push(...(await installedPods(cluster, component)));
  }
  return Object.fromEntries(all.map(({ name, restarts }) => [name, restarts]));
}
