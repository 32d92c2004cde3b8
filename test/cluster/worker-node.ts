import { existsSync } from "node:fs";
import { join } from "node:path";

import { harnessConfig } from "../harness/config.ts";
import type { ContainerdNode } from "../harness/containerd-node.ts";
import type { ContainerdPaths } from "../harness/containerd-paths.ts";
import { containerdPrograms, type ContainerdPrograms } from "../harness/containerd-version.ts";
import { criAnswers } from "../harness/cri.ts";
import { GiveUp, waitFor } from "../harness/wait.ts";
import { kubeconfigPath } from "./control-plane.ts";
import { kubeletFlags, kubeletVersion } from "./kubelet-flags.ts";
import { ADDRESSES, type ClusterLayout } from "./layout.ts";
import { machineOf, type Machine } from "./network.ts";
import {
  nodeDirectory,
  nodePaths,
  SANDBOX_IMAGE,
  writeNodeSettings,
  type NodeSettings,
  type NodeSpec,
} from "./node-config.ts";
import { logTail, readRecord, signalRecorded, startRecorded, stopRecorded } from "./recorded-process.ts";

const readyTimeoutMs = 60_000;

/** The parts of a node: its containerd, as tests use one, and its kubelet. */
export interface WorkerNode {
  readonly name: string;
  readonly number: number;
  readonly machine: Machine;
  readonly containerd: ContainerdNode;
  /** the hosts file that programs of the node read */
  readonly hosts: string;
  /** the resolv.conf that programs of the node read */
  readonly resolvConf: string;
  /** Writes other settings than it was made with, for containerd and kubelet to read at their next start; {}: its own again. */
  configure(settings: NodeSettings): Promise<void>;
  startKubelet(kubelet: string): Promise<void>;
  stopKubelet(): Promise<void>;
}

/** A node by its files: what runs there is looked up at every call, so this may be another process than the one that started it. */
export async function openNode(layout: ClusterLayout, spec: NodeSpec): Promise<WorkerNode> {
  const { name, number } = spec;
  const directory = nodeDirectory(layout, name);
  const paths = nodePaths(layout, name);
  const programs = await containerdPrograms(spec.containerd);
  const machine = machineOf(name, ADDRESSES.node(number));
  const prefix = [...machine.prefix, `--mount=${join(layout.state, "mounts", name)}`];
  const daemon = `${name}-containerd`;
  const kubeletName = `${name}-kubelet`;
  const start = async (signal?: AbortSignal): Promise<void> => {
    startContainerd(layout, daemon, prefix, programs, paths);
    await waitForContainerd(layout, daemon, paths.socket, signal);
  };
  const containerd: ContainerdNode = {
    name,
    version: programs.version,
    socket: paths.socket,
    root: paths.root,
    contentDir: join(paths.root, "io.containerd.content.v1.content"),
    configPath: paths.configPath,
    snapshotter: "overlayfs",
    ctr: programs.ctr,
    runcRoot: paths.runcRoot,
    get pid() {
      return readRecord(layout, daemon)?.pid ?? 0;
    },
    logs: () => logTail(layout, daemon),
    async kill(signal = "SIGKILL") {
      signalRecorded(layout, daemon, signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") {
        await waitFor(`the end of ${daemon}`, () => readRecord(layout, daemon) === undefined);
      }
    },
    async restart(signal) {
      await stopRecorded(layout, daemon);
      await start(signal);
    },
    stop: () => stopRecorded(layout, daemon),
  };
  return {
    name,
    number,
    machine: { ...machine, prefix },
    containerd,
    hosts: join(directory, "hosts"),
    resolvConf: join(directory, "resolv.conf"),
    configure: (settings) => writeNodeSettings(layout, { ...spec, ...settings }),
    async startKubelet(kubelet) {
      const [first = "nsenter", ...rest] = prefix;
      const args = [
        `--config=${join(directory, "kubelet.json")}`,
        `--kubeconfig=${kubeconfigPath(layout, `system:node:${name}`)}`,
        `--hostname-override=${name}`,
        `--node-ip=${machine.ip}`,
        `--cert-dir=${join(directory, "kubelet-pki")}`,
        `--container-runtime-endpoint=unix://${paths.socket}`,
        ...kubeletFlags(await kubeletVersion(kubelet)),
        `--pod-infra-container-image=${SANDBOX_IMAGE}`,
      ];
      startRecorded({ layout, name: kubeletName, command: [first, ...rest, kubelet, ...args] });
    },
    stopKubelet: () => stopRecorded(layout, kubeletName),
  };
}

function startContainerd(
  layout: ClusterLayout,
  name: string,
  prefix: readonly string[],
  programs: ContainerdPrograms,
  paths: ContainerdPaths,
): void {
  const [first = "nsenter", ...rest] = prefix;
  const path = harnessConfig().inherited["PATH"] ?? "";
  startRecorded({
    layout,
    name,
    command: [first, ...rest, programs.containerd, "--config", paths.config],
    env: programs.binDir === undefined ? {} : { PATH: `${programs.binDir}:${path}` },
  });
}

async function waitForContainerd(
  layout: ClusterLayout,
  name: string,
  socket: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await waitFor(
      `CRI of ${name}`,
      async () => {
        if (readRecord(layout, name) === undefined) throw new GiveUp(`${name} has ended`);
        return existsSync(socket) && (await criAnswers(socket, signal));
      },
      { timeoutMs: readyTimeoutMs, signal },
    );
  } catch (error) {
    throw new Error(`${name} did not start; its log:\n${logTail(layout, name)}`, { cause: error });
  }
}
