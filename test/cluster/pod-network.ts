import { join } from "node:path";

import { run } from "../harness/run.ts";
import { ADDRESSES, type ClusterLayout } from "./layout.ts";
import { addBareNamespace, type Machine } from "./network.ts";

const plugin = "/usr/lib/cni/bridge";

interface Node {
  readonly name: string;
  readonly number: number;
}

/** CNI configuration of a node (CNI spec 0.4.0): a bridge with the node's pod range. */
export function cniNetwork(layout: ClusterLayout, node: Node): Readonly<Record<string, unknown>> {
  return { cniVersion: "0.4.0", name: "tote", plugins: [bridgePlugin(layout, node)] };
}

/** Gives a network namespace of its own to something that is no pod, as a pod of a node has one. */
export async function addPodNamespace(
  layout: ClusterLayout,
  node: Node & { readonly machine: Machine },
  name: string,
  signal?: AbortSignal,
): Promise<Machine> {
  const netns = await addBareNamespace(name, signal);
  const [command = "nsenter", ...args] = node.machine.prefix;
  // in the node's network namespace, but seeing the host's /run/netns
  const enter = args.filter((word) => !word.startsWith("--mount"));
  const { stdout } = await run(command, [...enter, plugin], {
    signal,
    input: JSON.stringify({ cniVersion: "0.4.0", name: "tote", ...bridgePlugin(layout, node) }),
    env: {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: name,
      CNI_NETNS: `/run/netns/${netns}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: "/usr/lib/cni",
    },
  });
  const { ips }: { readonly ips?: readonly { readonly address: string }[] } = JSON.parse(stdout);
  const ip = ips?.[0]?.address.split("/")[0];
  if (ip === undefined) throw new Error(`${plugin} gave ${name} no address: ${stdout}`);
  return { netns, ip, prefix: ["nsenter", `--net=/run/netns/${netns}`] };
}

function bridgePlugin(layout: ClusterLayout, node: Node): Readonly<Record<string, unknown>> {
  return {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: false,
    ipam: {
      type: "host-local",
      dataDir: join(layout.data, node.name, "addresses"),
      ranges: [[{ subnet: ADDRESSES.podRange(node.number) }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
}
