import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { ContainerdVersion } from "../harness/config.ts";
import { containerdConfig } from "../harness/containerd-config.ts";
import { containerdPaths, type ContainerdPaths } from "../harness/containerd-paths.ts";
import { containerdPrograms } from "../harness/containerd-version.ts";
import { hostPlatform } from "../harness/platform.ts";
import { kubeletSettings } from "./kubelet-settings.ts";
import { ADDRESSES, CLUSTER_DOMAIN, type ClusterLayout } from "./layout.ts";
import { cniNetwork } from "./pod-network.ts";

/** image of pod sandboxes; every node gets it beforehand, and no registry has it */
export const SANDBOX_IMAGE = "tote.test/pause:1";

/** whom pods ask for names: nobody, unless a suite serves Services */
const DNS_SETTINGS = { clusterDNS: [ADDRESSES.host], clusterDomain: CLUSTER_DOMAIN };
const cniPlugins = "/usr/lib/cni";

/** How a node's containerd and kubelet differ from those of other nodes. */
export interface NodeSettings {
  /** containerd drops layers once they are unpacked (`discard_unpacked_layers`); default false */
  readonly discardsLayers?: boolean;
  /** fields of the KubeletConfiguration */
  readonly kubelet?: Readonly<Record<string, unknown>>;
}

/** A node of the cluster. */
export interface NodeSpec extends NodeSettings {
  /** "n1" and so on */
  readonly name: string;
  readonly number: number;
  /** default: the system's */
  readonly containerd?: ContainerdVersion | undefined;
}

/** Folder of a node. */
export function nodeDirectory(layout: ClusterLayout, name: string): string {
  return join(layout.data, name);
}

/** Layout of a node's containerd: as everywhere, but the socket has a folder of its own, which agents mount. */
export function nodePaths(layout: ClusterLayout, name: string): ContainerdPaths {
  const directory = nodeDirectory(layout, name);
  return { ...containerdPaths(directory), socket: join(directory, "run", "containerd.sock") };
}

/** Makes the folders of a node and writes the configuration of its containerd, CNI and kubelet. */
export async function writeNodeFiles(layout: ClusterLayout, spec: NodeSpec): Promise<void> {
  const directory = nodeDirectory(layout, spec.name);
  const paths = nodePaths(layout, spec.name);
  const cni = join(paths.scratch, "cni");
  const folders = [paths.root, paths.configPath, join(cni, "conf"), join(directory, "run")];
  for (const folder of [...folders, join(directory, "kubelet"), join(directory, "log")]) {
    await mkdir(folder, { recursive: true });
  }
  if (!existsSync(join(cni, "bin"))) await symlink(cniPlugins, join(cni, "bin"));
  const network = JSON.stringify(cniNetwork(layout, spec), undefined, 2);
  await writeFile(join(cni, "conf", "10-tote.conflist"), `${network}\n`);
  await writeFile(join(directory, "resolv.conf"), "");
  await writeFile(join(directory, "hosts"), "");
  await writeNodeSettings(layout, spec);
}

/** Writes the configuration of a node's containerd and kubelet, which read it when they start. */
export async function writeNodeSettings(layout: ClusterLayout, spec: NodeSpec): Promise<void> {
  const paths = nodePaths(layout, spec.name);
  const { version } = await containerdPrograms(spec.containerd);
  const { os, architecture } = hostPlatform();
  const containerd = containerdConfig({
    ...paths,
    major: version.startsWith("1.") ? 1 : 2,
    snapshotter: "overlayfs",
    discardUnpackedLayers: spec.discardsLayers ?? false,
    contentSharingPolicy: "shared",
    sandboxImage: SANDBOX_IMAGE,
    platform: `${os}/${architecture}`,
  });
  await writeFile(paths.config, containerd);
  const kubelet = kubeletSettings(ADDRESSES.node(spec.number), { ...DNS_SETTINGS, ...spec.kubelet });
  const file = join(nodeDirectory(layout, spec.name), "kubelet.json");
  await writeFile(file, JSON.stringify(kubelet, undefined, 2));
}
