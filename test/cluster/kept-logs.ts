import { existsSync } from "node:fs";
import { cp, lstat, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";

import type { ClusterLayout } from "./layout.ts";
import { nodeDirectory } from "./node-config.ts";

/** where the logs of all components are after a failure */
export const KEPT_LOGS = join(tmpdir(), "tote-cluster-logs");

/** Where a process of this suite logs to, e.g. "outage-agent-n1.log". */
export function suiteLog(layout: ClusterLayout, name: string): string {
  return join(layout.logs, `${basename(process.argv[1] ?? "", ".suite.ts")}-${name}.log`);
}

/** Copies the logs of all components, and of the pods that are there, to a folder that holds nothing else afterwards. */
export async function keepLogs(
  layout: ClusterLayout,
  nodes: readonly string[],
  target = KEPT_LOGS,
): Promise<void> {
  await rm(target, { recursive: true, force: true });
  if (existsSync(layout.logs)) await cp(layout.logs, target, { recursive: true });
  for (const node of nodes) await copyPods(layout, node, () => true, join(target, "pods"));
}

/** Puts the logs of a namespace's pods among those of the components: its end is theirs. */
export async function keepPodLogs(
  layout: ClusterLayout,
  nodes: readonly string[],
  namespace: string,
): Promise<void> {
  const isOfNamespace = (pod: string): boolean => pod.startsWith(`${namespace}_`);
  for (const node of nodes) await copyPods(layout, node, isOfNamespace, join(layout.logs, "pods"));
}

/** Folders of pods are "NAMESPACE_NAME_UID", with a folder per container. */
async function copyPods(
  layout: ClusterLayout,
  node: string,
  fits: (pod: string) => boolean,
  target: string,
): Promise<void> {
  const pods = join(nodeDirectory(layout, node), "log", "pods");
  if (!existsSync(pods)) return;
  for (const pod of (await readdir(pods)).filter(fits)) {
    try {
      await cp(join(pods, pod), join(target, node, pod), { recursive: true, filter: isNoLink });
    } catch (error) {
      // the kubelet removes those of pods that have ended
      if (existsSync(join(pods, pod))) throw error;
    }
  }
}

/** Links lead to where the node sees its logs, which is nowhere here. */
async function isNoLink(path: string): Promise<boolean> {
  return !(await lstat(path)).isSymbolicLink();
}
