import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";

import { clearContainerd } from "../harness/leftovers.ts";
import { buildImage, busyboxLayer } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { makeAgentPlace, removeAgentView } from "./agent-place.ts";
import { kubeconfigPath, startApiServer, startControlPlane, stopApiServer } from "./control-plane.ts";
import { keepLogs } from "./kept-logs.ts";
import { readKernelSettings, restoreKernelSettings } from "./kernel-settings.ts";
import { kubectl, type Kubectl } from "./kubectl.ts";
import type { KubernetesBinaries } from "./kubernetes-binaries.ts";
import { ADDRESSES, clusterLayout, MAX_NODES, type ClusterLayout } from "./layout.ts";
import {
  createMountNamespace,
  prepareMountNamespaces,
  removeMountNamespaces,
  type MountSpec,
} from "./mount-namespace.ts";
import { addMachine, createNetwork, machineOf, removeNetwork } from "./network.ts";
import { nodeDirectory, SANDBOX_IMAGE, writeNodeFiles, type NodeSpec } from "./node-config.ts";
import { clusterRegistry, type ClusterRegistry } from "./registry.ts";
import { killAllRecorded, logTail, recordOf, stopRecorded, type ProcessRecord } from "./recorded-process.ts";
import { isOwned, layoutOf, readState, writeState, type ClusterState } from "./state.ts";
import { openNode, type WorkerNode } from "./worker-node.ts";

/** A cluster that is up, from any process. */
export interface Cluster {
  readonly layout: ClusterLayout;
  readonly nodes: readonly WorkerNode[];
  readonly registry: ClusterRegistry;
  /** of the admin */
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
  readonly binaries: KubernetesBinaries;
  node(name: string): WorkerNode;
  /** Takes the API server away, and brings it back. */
  stopApiServer(): Promise<void>;
  startApiServer(): void;
}

/** What upCluster makes. */
export interface UpOptions {
  readonly binaries: KubernetesBinaries;
  readonly nodes: readonly NodeSpec[];
  /** takes it down at its end; none for a cluster made by hand */
  readonly owner?: ProcessRecord;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** mount points on the machine that nodes cover with their own; removed again when they are empty */
export const MADE_FOLDERS = [
  "/var/lib/kubelet",
  "/var/lib/cni",
  "/var/lib/containerd",
  "/run/containerd",
  "/run/netns",
];
/** runc puts containers below it, and leaves it when the last one is gone */
export const CONTAINERS_CGROUP = "k8s.io";
/** where each controller of cgroups is mounted, or all of version 2 */
export const CGROUPS = "/sys/fs/cgroup";
const nodesReadyTimeoutMs = 180_000;

/**
 * Brings a cluster up; what a killed run left is taken down first.
 * @throws Error when there is one, or with the logs of what did not start
 */
export async function upCluster(options: UpOptions): Promise<Cluster> {
  const { binaries, nodes: specs, owner, say, signal } = options;
  if (specs.length < 1 || specs.length > MAX_NODES) {
    throw new RangeError(`cannot make ${specs.length} nodes: use 1 to ${MAX_NODES}`);
  }
  const old = readState();
  if (old !== undefined) {
    if (isOwned(old))
      throw new Error(`process ${old.owner?.pid} has a cluster up or is about to: wait for its end`);
    say("taking down what an earlier run left");
    await downCluster();
  }
  const layout = clusterLayout();
  const kernel = readKernelSettings();
  const state: ClusterState = { data: layout.data, phase: "starting", owner, nodes: specs, binaries, kernel };
  // also a cluster made by hand is this process's until it is up
  writeState({ ...state, owner: owner ?? recordOf(process.pid) });
  await mkdir(layout.data, { recursive: true });
  for (const folder of MADE_FOLDERS) await mkdir(folder, { recursive: true });
  await prepareMountNamespaces(layout, signal);
  say("network");
  await createNetwork(specs.length, signal);
  const common = { nodes: specs.length, signal };
  const control = await addMachine("control", ADDRESSES.control, common);
  await addMachine("registry", ADDRESSES.registry, common);
  say("control plane, and containerd on each node");
  const nodeNames = specs.map(({ name }) => name);
  const starting = Promise.allSettled(specs.map((spec) => startNode(layout, spec, common)));
  const [plane] = await Promise.allSettled([
    startControlPlane({ layout, binaries, machine: control, nodeNames, signal }),
  ]);
  // all of them, failed or not: nothing may still be starting when this one ends
  const nodes = (await starting).map((result) => valueOf(result));
  valueOf(plane);
  await clusterRegistry(layout, nodes).stop();
  say("kubelets");
  for (const node of nodes) await node.startKubelet(binaries.kubelet);
  writeState({ ...state, phase: "up" });
  const cluster = await openCluster();
  await waitForNodes(cluster, signal);
  return cluster;
}

/** The cluster that is up. Throws an Error when there is none. */
export async function openCluster(): Promise<Cluster> {
  const state = readState();
  if (state?.binaries === undefined || state.phase !== "up") {
    throw new Error('no cluster is up: run "npm run cluster -- up"');
  }
  const layout = layoutOf(state);
  const { binaries } = state;
  const nodes = await Promise.all(state.nodes.map((spec) => openNode(layout, spec)));
  const kubeconfig = kubeconfigPath(layout, "admin");
  return {
    layout,
    nodes,
    registry: clusterRegistry(layout, nodes),
    kubeconfig,
    kubectl: kubectl({ program: binaries.kubectl, kubeconfig }),
    binaries,
    node(name) {
      const node = nodes.find((one) => one.name === name);
      if (node === undefined) throw new Error(`the cluster has no node ${name}`);
      return node;
    },
    stopApiServer: () => stopApiServer(layout),
    startApiServer: () =>
      startApiServer({ layout, binaries, machine: machineOf("control", ADDRESSES.control) }),
  };
}

/**
 * Takes down whatever is there of a cluster: processes, containers, namespaces, mounts, links, files. Nothing is fine.
 * @param options.keepsLogs copies those of all components to KEPT_LOGS before; default false
 */
export async function downCluster(options: { readonly keepsLogs?: boolean } = {}): Promise<void> {
  const state = readState();
  if (state === undefined) return;
  const layout = layoutOf(state);
  // kubelets first: they would start again what ends
  for (const { name } of state.nodes) await stopRecorded(layout, `${name}-kubelet`, 2000);
  killAllRecorded(layout);
  restoreKernelSettings(state.kernel ?? {});
  const nodes = state.nodes.map(({ name }) => name);
  if (options.keepsLogs === true) await keepLogs(layout, nodes);
  for (const name of nodes) clearContainerd(nodeDirectory(layout, name));
  await removeNetwork();
  await removeMountNamespaces(layout);
  await removeAgentView(layout);
  await rm(layout.data, { recursive: true, force: true, maxRetries: 3 });
  for (const folder of [...MADE_FOLDERS, ...cgroups()]) await removeIfEmpty(folder);
  // last: as long as it is there, the next run knows that there is something left
  await rm(layout.state, { recursive: true, force: true });
}

async function startNode(
  layout: ClusterLayout,
  spec: NodeSpec,
  common: { readonly nodes: number; readonly signal: AbortSignal | undefined },
): Promise<WorkerNode> {
  const directory = nodeDirectory(layout, spec.name);
  await writeNodeFiles(layout, spec);
  await addMachine(spec.name, ADDRESSES.node(spec.number), { ...common, node: spec.number });
  const node = await openNode(layout, spec);
  const mounts: readonly MountSpec[] = [
    { kind: "bind", from: join(directory, "kubelet"), to: "/var/lib/kubelet" },
    // where kubelet and containerd write what containers print
    { kind: "bind", from: join(directory, "log"), to: "/var/log" },
    { kind: "tmpfs", to: "/var/lib/cni" },
    // where the chart looks for them: its agents are pods of this node
    { kind: "bind", from: dirname(node.containerd.socket), to: "/run/containerd" },
    { kind: "bind", from: node.containerd.root, to: "/var/lib/containerd" },
    { kind: "tmpfs", to: "/run/netns" },
    { kind: "bind", from: join(directory, "hosts"), to: "/etc/hosts" },
    { kind: "bind", from: join(directory, "resolv.conf"), to: "/etc/resolv.conf" },
  ];
  await createMountNamespace(layout, spec.name, mounts, common.signal);
  await node.containerd.restart(common.signal);
  const sandbox = await buildImage({
    layers: [await busyboxLayer()],
    config: { cmd: ["/bin/sleep", "1000000000"] },
  });
  await loadImage(node.containerd, sandbox, { names: [SANDBOX_IMAGE] });
  await makeAgentPlace(layout, node, common.signal);
  return node;
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

async function waitForNodes(cluster: Cluster, signal: AbortSignal | undefined): Promise<void> {
  const names = cluster.nodes.map(({ name }) => `node/${name}`);
  try {
    await cluster.kubectl.waitFor("Ready", names, { timeoutMs: nodesReadyTimeoutMs, signal });
  } catch (error) {
    const logs = cluster.nodes.map(
      ({ name }) => `--- ${name}\n${logTail(cluster.layout, `${name}-kubelet`)}`,
    );
    throw new Error(`nodes did not become ready:\n${logs.join("\n")}`, { cause: error });
  }
}

/** Of version 1 there is one per controller. */
function cgroups(): readonly string[] {
  if (!existsSync(CGROUPS)) return [];
  return ["", ...readdirSync(CGROUPS)].map((controller) => join(CGROUPS, controller, CONTAINERS_CGROUP));
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // somebody else's, in use, or below a file
    if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EBUSY" && code !== "ENOTDIR") throw error;
  }
}
