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
  /** it is being deleted */
  readonly isLeaving: boolean;
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
  cluster: Pick<Cluster, "kubectl">,
  component: Component,
): Promise<readonly InstalledPod[]> {
  return (await allInstalledPods(cluster, component)).filter(({ isLeaving }) => !isLeaving);
}

/** Pods of the release, those that are being deleted, too. */
export async function allInstalledPods(
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
  return asObjects(list["items"], MAX_PODS).map((pod) => {
    const { name, deletionTimestamp } = asObject(pod["metadata"]);
    const status = asObject(pod["status"]);
    const [container = {}] = asObjects(status["containerStatuses"], 1);
    return {
      name: asText(name),
      node: asText(asObject(pod["spec"])["nodeName"]),
      ip: asText(status["podIP"]),
      isReady: container["ready"] === true,
      restarts: Number(container["restartCount"] ?? 0),
      containerId: asText(container["containerID"]).replace("containerd://", ""),
      isLeaving: deletionTimestamp !== undefined,
    };
  });
}

/** Kills what runs in a pod, as a crash or the kernel would (SIGKILL); the kubelet starts it again. */
export async function killPod(cluster: Cluster, pod: InstalledPod): Promise<void> {
  await signalPod(cluster, pod, "SIGKILL");
}

/** Sends a signal to what runs in a pod. */
export async function signalPod(
  cluster: Cluster,
  { node, containerId }: InstalledPod,
  signal: "SIGKILL" | "SIGSTOP" | "SIGCONT",
): Promise<void> {
  const { containerd } = cluster.node(node);
  await ctr(containerd).exec(["tasks", "kill", "--signal", signal, containerId]);
}

/** The value of a pod's metric that has these labels. Throws an Error when it is not there. */
export async function metricOf(
  component: Component,
  { ip }: InstalledPod,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const url = `http://${ip}:${METRICS_PORTS[component]}/metrics`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
  const samples = parseMetrics(await answer.text()).get(name)?.samples ?? [];
  const found = samples.find((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found === undefined) throw new Error(`${url} has no ${name} ${JSON.stringify(labels)}`);
  return found.value;
}

/** Who leads. */
export interface Leadership {
  readonly pod: InstalledPod;
  /** how often the Lease has changed hands */
  readonly transitions: number;
}

/** The controller's pod that leads; undefined when none does. */
export async function leadership(cluster: Cluster): Promise<Leadership | undefined> {
  const lease = asObject(await cluster.kubectl.get("lease", "tote-controller", "--namespace", NAMESPACE));
  const { holderIdentity, leaseTransitions } = asObject(lease["spec"]);
  const pods = await installedPods(cluster, "controller");
  const pod = pods.find(({ name }) => asText(holderIdentity).startsWith(name));
  return pod && { pod, transitions: Number(leaseTransitions) };
}

/** How often the containers of the release were started again, by pod. */
export async function restartsOfAll(cluster: Cluster): Promise<Readonly<Record<string, number>>> {
  const all: InstalledPod[] = [];
  for (const component of ["controller", "agent", "relay"] as const) {
    all.push(...(await installedPods(cluster, component)));
  }
  return Object.fromEntries(all.map(({ name, restarts }) => [name, restarts]));
}
