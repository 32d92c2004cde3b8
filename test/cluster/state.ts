import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { KernelSettings } from "./kernel-settings.ts";
import { clusterLayout, STATE_DIRECTORY, type ClusterLayout } from "./layout.ts";
import type { KubernetesBinaries } from "./kubernetes-binaries.ts";
import { isSameProcess, type ProcessRecord } from "./recorded-process.ts";
import type { NodeSpec } from "./node-config.ts";

/** What is written down of a cluster. */
export interface ClusterState {
  /** folder of everything large */
  readonly data: string;
  /** "up" when all of it came up */
  readonly phase: "starting" | "up";
  /** the process that brings it up, or takes it down at its end; undefined for a cluster made by hand that is up */
  readonly owner?: ProcessRecord | undefined;
  readonly nodes: readonly NodeSpec[];
  readonly binaries?: KubernetesBinaries | undefined;
  /** of the machine, before the first kubelet changed them */
  readonly kernel?: KernelSettings | undefined;
}

const file = join(STATE_DIRECTORY, "state.json");

/** What the last `up` wrote down; undefined when there is no cluster and no rest of one. */
export function readState(): ClusterState | undefined {
  if (!existsSync(file)) return undefined;
  const state: ClusterState = JSON.parse(readFileSync(file, "utf8"));
  return state;
}

/** Writes the state down. */
export function writeState(state: ClusterState): void {
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  writeFileSync(file, `${JSON.stringify(state, undefined, 2)}\n`);
}

/** The layout of a state. */
export function layoutOf(state: ClusterState): ClusterLayout {
  return clusterLayout(state.data);
}

/** Whether another process will take the cluster down at its end. */
export function isOwned({ owner }: ClusterState): boolean {
  return owner !== undefined && isSameProcess(owner);
}
