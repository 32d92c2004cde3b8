import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { ClusterLayout } from "./layout.ts";
import { createMountNamespace } from "./mount-namespace.ts";
import { addPodNamespace } from "./pod-network.ts";
import type { WorkerNode } from "./worker-node.ts";

/** Where an agent runs: a pod's network and view of the disk, as its DaemonSet would give it. */
export interface AgentPlace {
  readonly ip: string;
  /** put before a command line to run it there */
  readonly prefix: readonly string[];
  /** containerd's socket and root, as seen from there */
  readonly socket: string;
  readonly root: string;
}

/** Makes the place of a node's agent: of the node it shares the folder of the socket and the content, nothing else. */
export async function makeAgentPlace(
  layout: ClusterLayout,
  node: WorkerNode,
  signal?: AbortSignal,
): Promise<void> {
  const { run, content, root } = layout.agentView;
  for (const folder of [run, content]) await mkdir(folder, { recursive: true });
  const name = `agent-${node.name}`;
  const { ip, prefix } = await addPodNamespace(layout, node, name, signal);
  const mounts = await createMountNamespace(
    layout,
    name,
    [
      { kind: "bind", from: dirname(node.containerd.socket), to: run },
      { kind: "bind", from: node.containerd.contentDir, to: content, readOnly: true },
      // the rest of all nodes is out of sight
      { kind: "tmpfs", to: layout.data },
    ],
    signal,
  );
  const place: AgentPlace = {
    ip,
    prefix: [...prefix, ...mounts.prefix.slice(1)],
    socket: join(run, "containerd.sock"),
    root,
  };
  await writeFile(placeFile(layout, node.name), JSON.stringify(place));
}

/** The place of a node's agent, from any process. */
export async function readAgentPlace(layout: ClusterLayout, node: string): Promise<AgentPlace> {
  const place: AgentPlace = JSON.parse(await readFile(placeFile(layout, node), "utf8"));
  return place;
}

/** Removes the folders that agents saw their nodes' in. */
export async function removeAgentView(layout: ClusterLayout): Promise<void> {
  const view = dirname(layout.agentView.root);
  if (existsSync(view)) await rm(view, { recursive: true, force: true });
}

function placeFile(layout: ClusterLayout, node: string): string {
  return join(layout.data, node, "agent.json");
}
