import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import type { Cleanup } from "./cleanup.ts";
import { unlessGone } from "./leftovers.ts";
import { isAlive, signal as sendSignal } from "./process-table.ts";
import { commandLine } from "./processes.ts";
import { CommandError, run } from "./run.ts";

/** A network namespace with one address. */
export interface NetworkNode {
  readonly name: string;
  /** name below /run/netns */
  readonly netns: string;
  /** IPv4 address */
  readonly ip: string;
  /** put before a command line to run it in the namespace */
  readonly prefix: readonly string[];
  /** Takes the cable out (packets vanish, nobody is told) until connect(). */
  disconnect(): Promise<void>;
  /** Puts the cable back. */
  connect(): Promise<void>;
}

/** Namespaces joined by a switch; the host is on the same /24. */
export interface Network {
  /** the host's address on it */
  readonly hostIp: string;
  /** Adds a namespace. */
  addNode(name: string): Promise<NetworkNode>;
  /** Delays what each node sends by ms milliseconds (0 removes it); false when the kernel has no netem. */
  delay(ms: number): Promise<boolean>;
  /** Kills what still runs in the namespaces, then removes them and the links. */
  close(): Promise<void>;
}

/** namespaces are named PREFIX-<pid of the owner>-<random>-<node> */
const netnsPrefix = "tote";
/** the host's end of the cable; the number is the third byte of the addresses */
const hostLinkPrefix = "tote213-";
const subnetPrefix = "10.213";
const firstNodeAddress = 11;
const lastNodeAddress = 250;

/**
 * Makes a network: a namespace that holds a bridge (so that the host's firewall has no say), a cable to the host, a
 * cable to each node. There is no route out of it. Leftovers of runs whose process is gone are removed first. Needs root.
 */
export async function createNetwork(options: {
  readonly cleanup: Cleanup;
  readonly signal?: AbortSignal;
}): Promise<Network> {
  const { cleanup, signal } = options;
  sweepNetworks();
  const id = `${netnsPrefix}-${process.pid}-${randomBytes(2).toString("hex")}`;
  const hub = `${id}-hub`;
  const nodes: NetworkNode[] = [];
  const forget = cleanup.add({
    name: `close network ${id}`,
    undo: close,
    undoNow: () => removeNamespaces(id),
  });
  await ip(["netns", "add", hub], signal);
  await ip(["-n", hub, "link", "add", "br0", "type", "bridge"], signal);
  await ip(["-n", hub, "link", "set", "br0", "up"], signal);
  const { link, subnet } = await connectHost(hub, signal);

  function close(): Promise<void> {
    removeNamespaces(id);
    forget();
    return Promise.resolve();
  }

  async function addNode(name: string): Promise<NetworkNode> {
    if (!/^[a-z0-9-]{1,32}$/.test(name))
      throw new RangeError(`cannot name a network node "${name}": use a-z, 0-9 and -`);
    const address = firstNodeAddress + nodes.length;
    if (address > lastNodeAddress) throw new RangeError(`no address left in ${subnet}.0/24 for "${name}"`);
    const netns = `${id}-${name}`;
    const port = `p${address}`;
    const node: NetworkNode = {
      name,
      netns,
      ip: `${subnet}.${address}`,
      // not `ip netns exec`: that mounts a new /sys, without cgroups
      prefix: ["nsenter", `--net=/run/netns/${netns}`],
      disconnect: () => ip(["-n", hub, "link", "set", port, "nomaster"], signal),
      connect: () => ip(["-n", hub, "link", "set", port, "master", "br0"], signal),
    };
    nodes.push(node);
    await ip(["netns", "add", netns], signal);
    await ip(["-n", netns, "link", "set", "lo", "up"], signal);
    await ip(
      ["-n", netns, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", hub],
      signal,
    );
    await ip(["-n", netns, "address", "add", `${node.ip}/24`, "dev", "eth0"], signal);
    await ip(["-n", netns, "link", "set", "eth0", "up"], signal);
    await ip(["-n", hub, "link", "set", port, "master", "br0", "up"], signal);
    return node;
  }

  async function delay(ms: number): Promise<boolean> {
    for (const { prefix } of nodes) {
      const qdisc =
        ms > 0
          ? ["replace", "dev", "eth0", "root", "netem", "delay", `${ms}ms`]
          : ["del", "dev", "eth0", "root"];
      try {
        const [command, ...args] = commandLine(prefix, "tc", "qdisc", ...qdisc);
        await run(command, args, { signal });
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        // "Specified qdisc kind is unknown." or "Cannot delete qdisc with handle of zero."
        if (/unknown|No such file|handle of zero/.test(error.stderr)) return ms <= 0;
        throw error;
      }
    }
    return true;
  }

  await ip(["link", "set", link, "up"], signal);
  return { hostIp: `${subnet}.1`, addNode, delay, close };
}

/** Lays the cable between host and hub. Its name claims the subnet: the kernel lets only one run have it. */
async function connectHost(
  hub: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly link: string; readonly subnet: string }> {
  for (let attempt = 0; attempt < 254; attempt++) {
    const number = 1 + ((process.pid + attempt) % 254);
    const link = `${hostLinkPrefix}${number}`;
    const subnet = `${subnetPrefix}.${number}`;
    if (await hasRoute(subnet, link, signal)) continue;
    try {
      await ip(["link", "add", link, "type", "veth", "peer", "name", "host", "netns", hub], signal);
    } catch (error) {
      if (error instanceof CommandError && error.stderr.includes("File exists")) continue;
      throw error;
    }
    await ip(["-n", hub, "link", "set", "host", "master", "br0", "up"], signal);
    await ip(["address", "add", `${subnet}.1/24`, "dev", link], signal);
    return { link, subnet };
  }
  throw new Error(`no free subnet in ${subnetPrefix}.0.0/16: remove interfaces named ${hostLinkPrefix}*`);
}

/** Says whether addresses of a /24 are in use by another interface than our own links (or by one of the same name). */
async function hasRoute(subnet: string, link: string, signal: AbortSignal | undefined): Promise<boolean> {
  if (existsSync(`/sys/class/net/${link}`)) return true;
  const { stdout } = await run("ip", ["-4", "route", "show", "table", "all", "match", `${subnet}.11`], {
    signal,
  });
  return stdout.split("\n").some((line) => line !== "" && !line.startsWith("default"));
}

/** Removes the networks of runs whose process is gone. */
function sweepNetworks(): void {
  const dead = new Set<string>();
  for (const name of namespaces()) {
    const match = new RegExp(`^(${netnsPrefix}-(\\d+)-[0-9a-f]{4})-`).exec(name);
    if (match?.[1] !== undefined && !isAlive(Number(match[2]))) dead.add(match[1]);
  }
  for (const id of dead) removeNamespaces(id);
}

/**
 * Removes a network's namespaces and whatever still runs in them. A namespace takes its ends of the cables with it (a
 * moment later), and a cable with one end gone is gone.
 */
function removeNamespaces(id: string): void {
  for (const name of namespaces()) {
    if (!name.startsWith(`${id}-`)) continue;
    unlessGone(
      () => {
        const pids = execFileSync("ip", ["netns", "pids", name], { encoding: "utf8", stdio: "pipe" });
        for (const pid of pids.split("\n")) if (pid !== "") sendSignal(Number(pid), "SIGKILL");
        execFileSync("ip", ["netns", "delete", name], { stdio: "pipe" });
      },
      () => namespaces().includes(name),
    );
  }
}

function namespaces(): readonly string[] {
  return existsSync("/run/netns") ? readdirSync("/run/netns") : [];
}

async function ip(args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await run("ip", args, { signal });
}
