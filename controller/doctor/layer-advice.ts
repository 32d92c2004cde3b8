/** How to have containerd keep the layers that it has unpacked, in the words of whatever sets the nodes up. */

import type { NodeFacts, NodeFlavor } from "./node-facts.ts";

/** Where the option is in version 2 of containerd's configuration, and in version 3 (containerd 2). */
const TABLES = {
  v2: '[plugins."io.containerd.grpc.v1.cri".containerd]',
  v3: '[plugins."io.containerd.cri.v1.images"]',
} as const;

const OPTION = "discard_unpacked_layers = false";

/**
 * The lines that change it, with where they belong. Pure.
 * Sources: nodeadm's API reference and its templates for containerd 1 and 2 (amazon-eks-ami), "Run Spegel" in the Talos
 * documentation, kind's configuration reference.
 */
export function layerAdvice({ flavor, runtimeVersion }: NodeFacts): string {
  const major = Number.parseInt(runtimeVersion, 10);
  const table = major >= 2 ? TABLES.v3 : TABLES.v2;
  return ADVICE[flavor](table).join("\n");
}

const ADVICE: Readonly<Record<NodeFlavor, (table: string) => readonly string[]>> = {
  eks: (table) => [
    "EKS (nodeadm): in the user data of the node group, then replace its nodes:",
    "apiVersion: node.eks.aws/v1alpha1",
    "kind: NodeConfig",
    "spec:",
    "  containerd:",
    "    config: |",
    `      ${table}`,
    `      ${OPTION}`,
  ],
  talos: (table) => [
    "Talos: a patch of the machine configuration (talosctl patch machineconfig), which restarts the node:",
    "machine:",
    "  files:",
    "    - path: /etc/cri/conf.d/20-customization.part",
    "      op: create",
    "      content: |",
    `        ${table}`,
    `          ${OPTION}`,
  ],
  // its node images have version 2 of the configuration, also with containerd 2
  kind: () => [
    "kind: in the configuration of the cluster, which is then made anew:",
    "kind: Cluster",
    "apiVersion: kind.x-k8s.io/v1alpha4",
    "containerdConfigPatches:",
    "  - |-",
    `    ${TABLES.v2}`,
    `      ${OPTION}`,
  ],
  other: (table) => [
    "in the node's /etc/containerd/config.toml, then systemctl restart containerd:",
    table,
    `  ${OPTION}`,
  ],
};
