import { join } from "node:path";

import { harnessConfig } from "../harness/config.ts";

/** Fixed, so that whoever comes after a killed run finds what it left; tmpfs, so that a reboot forgets it. */
export const STATE_DIRECTORY = "/run/tote-cluster";
/** Namespaces are named with it, and so are the links on the host. */
export const NAME_PREFIX = "totecl";

/** Where the parts of the cluster lie. */
export interface ClusterLayout {
  /** pids of what runs, pinned namespaces, state.json */
  readonly state: string;
  /** everything large: containerd's roots, etcd, logs */
  readonly data: string;
  /** one log per process; kept when something failed */
  readonly logs: string;
  /** empty folders that agents see their node's in */
  readonly agentView: { readonly run: string; readonly root: string; readonly content: string };
}

/** The layout of the one cluster of this machine. */
export function clusterLayout(data = join(harnessConfig().directory, "tote-cluster")): ClusterLayout {
  const view = `${data}-agent`;
  const root = join(view, "root");
  return {
    state: STATE_DIRECTORY,
    data,
    logs: join(data, "logs"),
    agentView: { run: join(view, "run"), root, content: join(root, "io.containerd.content.v1.content") },
  };
}

/** Third byte and prefix of all addresses: 10.214.0.0/24 holds machines, 10.214.11.0/24 and so on pods. */
export const ADDRESSES = {
  network: "10.214.0.0/16",
  host: "10.214.0.1",
  control: "10.214.0.2",
  registry: "10.214.0.5",
  /** nodes get .11, .12 and so on */
  node: (number: number): string => `10.214.0.${10 + number}`,
  /** of the pods of a node */
  podRange: (number: number): string => `10.214.${10 + number}.0/24`,
  podGateway: (number: number): string => `10.214.${10 + number}.1`,
  /** of Services; the API server's has the first of them */
  services: "10.215.0.0/24",
  apiService: "10.215.0.1",
} as const;

/** Ending of the names of Services. */
export const CLUSTER_DOMAIN = "cluster.local";

/** Most nodes of a cluster. */
export const MAX_NODES = 9;
