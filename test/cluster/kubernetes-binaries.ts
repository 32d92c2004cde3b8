import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

import { clusterConfig, type ClusterConfig } from "./config.ts";
import { buildKubernetes, isBuilt, KUBERNETES_PROGRAMS, KUBERNETES_VERSION } from "./kubernetes-build.ts";
import { MENDS } from "./kubernetes-mends.ts";
import { findProgram } from "../setup/requirements.ts";
import { ensureSystem } from "../setup/system.ts";

/** Where each program of Kubernetes is. */
export type KubernetesBinaries = Readonly<Record<(typeof KUBERNETES_PROGRAMS)[number] | "etcd", string>>;

/**
 * Finds the programs of Kubernetes: in the folders that the environment names, then in the cache; what is nowhere is built
 * into the cache, once. etcd may also be on PATH.
 * @param options.say told what is going on
 */
export async function kubernetesBinaries(options: {
  readonly say: (line: string) => void;
  readonly config?: ClusterConfig;
  readonly signal?: AbortSignal;
}): Promise<KubernetesBinaries> {
  const { say, config = clusterConfig(), signal } = options;
  const cache = cacheFolder(config);
  const isMissing = KUBERNETES_PROGRAMS.some((program) => findIn(folders(config), program) === undefined);
  if (isMissing && !(await isBuilt(cache))) await buildKubernetes({ target: cache, say, signal });
  const get = (program: string): string => findAnywhere(program, config);
  return {
    "kube-apiserver": get("kube-apiserver"),
    "kube-controller-manager": get("kube-controller-manager"),
    "kube-scheduler": get("kube-scheduler"),
    kubelet: get("kubelet"),
    kubectl: get("kubectl"),
    etcd: get("etcd"),
  };
}

/** Finds kubectl, all that a cluster of others needs, in the same places or on PATH. Throws an Error when there is none. */
export function findKubectl(config: ClusterConfig = clusterConfig()): string {
  return findAnywhere("kubectl", config);
}

function cacheFolder({ cache }: ClusterConfig): string {
  return join(cache, `kubernetes-${KUBERNETES_VERSION}-${MENDS}`);
}

function folders(config: ClusterConfig): readonly string[] {
  return [...config.binaryFolders, cacheFolder(config)];
}

function findIn(where: readonly string[], program: string): string | undefined {
  return where.map((folder) => join(folder, program)).find((file) => existsSync(file));
}

function findAnywhere(program: string, config: ClusterConfig): string {
  const file = findIn(folders(config), program) ?? findProgram(program, config.path);
  if (file === undefined) throw new Error(`no ${program} in ${folders(config).join(", ")} or on PATH`);
  return file;
}

async function main(): Promise<void> {
  await ensureSystem(["cluster"]);
  const found = await kubernetesBinaries({ say: (line) => process.stdout.write(`${line}\n`) });
  for (const [program, file] of Object.entries(found)) process.stdout.write(`${program}: ${file}\n`);
}

if (import.meta.main) await main();
