import { existsSync, readdirSync } from "node:fs";

import { unlessGone } from "../harness/leftovers.ts";
import { signal as sendSignal, waitForEnd } from "../harness/process-table.ts";
import { run } from "../harness/run.ts";
import { ADDRESSES, NAME_PREFIX } from "./layout.ts";

/** A network namespace with one address on the cluster's switch. */
export interface Machine {
  readonly netns: string;
  readonly ip: string;
  /** put before a command line to run it there */
  readonly prefix: readonly string[];
}

const hub = `${NAME_PREFIX}-hub`;
const hostLink = `${NAME_PREFIX}0`;

/** The cluster's switch: a namespace that holds a bridge (so that the host's firewall has no say), and a cable to the host. */
export async function createNetwork(nodes: number, signal?: AbortSignal): Promise<void> {
  await refuseForeignRoutes(signal);
  await ip(["netns", "add", hub], signal);
  await ip(["-n", hub, "link", "add", "br0", "type", "bridge"], signal);
  await ip(["-n", hub, "link", "set", "br0", "up"], signal);
  await ip(["link", "add", hostLink, "type", "veth", "peer", "name", "host", "netns", hub], signal);
  await ip(["-n", hub, "link", "set", "host", "master", "br0", "up"], signal);
  await ip(["address", "add", `${ADDRESSES.host}/24`, "dev", hostLink], signal);
  await ip(["link", "set", hostLink, "up"], signal);
  await addPodRoutes([], nodes, undefined, signal);
}

/**
 * Adds a namespace to the switch.
 * @param options.node its number when it is a node: the pods of that range are its own
 * @param options.nodes how many nodes there are, for the ways to their pods
 */
export async function addMachine(
  name: string,
  address: string,
  options: { readonly node?: number; readonly nodes: number; readonly signal?: AbortSignal | undefined },
): Promise<Machine> {
  const { node, nodes, signal } = options;
  const machine = machineOf(name, address);
  const { netns } = machine;
  const port = `p-${name}`;
  await ip(["netns", "add", netns], signal);
  await ip(["-n", netns, "link", "set", "lo", "up"], signal);
  await ip(["-n", netns, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", hub], signal);
  await ip(["-n", netns, "address", "add", `${address}/24`, "dev", "eth0"], signal);
  await ip(["-n", netns, "link", "set", "eth0", "up"], signal);
  await ip(["-n", hub, "link", "set", port, "master", "br0", "up"], signal);
  await addPodRoutes(["-n", netns], nodes, node, signal);
  return machine;
}

/** A machine that is there already. */
export function machineOf(name: string, address: string): Machine {
  const netns = `${NAME_PREFIX}-${name}`;
  // not `ip netns exec`: that mounts a new /sys, without cgroups
  return { netns, ip: address, prefix: ["nsenter", `--net=/run/netns/${netns}`] };
}

/** Makes a namespace without any link: CNI or whoever gives it one. */
export async function addBareNamespace(name: string, signal?: AbortSignal): Promise<string> {
  const netns = `${NAME_PREFIX}-${name}`;
  await ip(["netns", "add", netns], signal);
  return netns;
}

/** Kills what runs in the cluster's namespaces and removes them and the links. Nothing there is fine. */
export async function removeNetwork(): Promise<void> {
  const names = existsSync("/run/netns")
    ? readdirSync("/run/netns").filter((name) => name.startsWith(`${NAME_PREFIX}-`))
    : [];
  for (const name of names) {
    const { stdout } = await run("ip", ["netns", "pids", name]);
    const pids = stdout
      .split("\n")
      .filter((pid) => pid !== "")
      .map(Number);
    waitForEnd(
      pids.filter((pid) => sendSignal(pid, "SIGKILL")),
      10_000,
    );
  }
  for (const name of names) await ip(["netns", "delete", name]);
  if (existsSync(`/sys/class/net/${hostLink}`)) {
    // its other end was in the hub, which may have taken it along by now
    try {
      await ip(["link", "delete", hostLink]);
    } catch (error) {
      unlessGone(
        () => {
          throw error;
        },
        () => existsSync(`/sys/class/net/${hostLink}`),
      );
    }
  }
}

async function addPodRoutes(
  where: readonly string[],
  nodes: number,
  own: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let number = 1; number <= nodes; number += 1) {
    if (number === own) continue;
    await ip([...where, "route", "add", ADDRESSES.podRange(number), "via", ADDRESSES.node(number)], signal);
  }
}

async function refuseForeignRoutes(signal: AbortSignal | undefined): Promise<void> {
  const { stdout } = await run("ip", ["-4", "route", "show", "root", ADDRESSES.network], { signal });
  if (stdout.trim() !== "") {
    throw new Error(`cannot use ${ADDRESSES.network} for the cluster: this machine has "${stdout.trim()}"`);
  }
}

async function ip(args: readonly string[], signal?: AbortSignal): Promise<void> {
  await run("ip", args, { signal });
}
