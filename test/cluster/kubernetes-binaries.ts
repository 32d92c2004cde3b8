import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

import { clusterConfig, type ClusterConfig } from "./config.ts";
import { buildKubernetes, isBuilt, KUBERNETES_PROGRAMS, KUBERNETES_VERSION } from "./kubernetes-build.ts";
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
  const cache = join(config.cache, `kubernetes-${KUBERNETES_VERSION}`);
  const find = (program: string): string | undefined =>
    [...config.binaryFolders, cache].map((folder) => join(folder, program)).find((file) => existsSync(file));
  if (KUBERNETES_PROGRAMS.some((program) => find(program) === undefined) && !(await isBuilt(cache))) {
    await buildKubernetes({ target: cache, say, signal });
  }
  function get(program: string): string {
    const file = find(program) ?? findProgram(program, config.path);
    if (file === undefined)
      throw new Error(`no ${program} in ${[...config.binaryFolders, cache].join(", ")} or on PATH`);
    return file;
  }
  return {
    "kube-apiserver": get("kube-apiserver"),
    "kube-controller-manager": get("kube-controller-manager"),
    "kube-scheduler": get("kube-scheduler"),
    kubelet: get("kubelet"),
    kubectl: get("kubectl"),
    etcd: get("etcd"),
  };
}

async function main(): Promise<void> {
  await ensureSystem(["cluster"]);
  const found = await kubernetesBinaries({ say: (line) => process.stdout.write(`${line}\n`) });
  for (const [program, file] of Object.entries(found)) process.stdout.write(`${program}: ${file}\n`);
}

if (import.meta.main) await main();
