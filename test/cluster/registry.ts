import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import type { Built } from "../harness/image-builder.ts";
import { attachRegistry } from "../harness/registry.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { ADDRESSES, type ClusterLayout } from "./layout.ts";
import { machineOf } from "./network.ts";
import { pushImage } from "../harness/push-image.ts";
import { logTail, startRecorded, stopRecorded } from "./recorded-process.ts";
import type { WorkerNode } from "./worker-node.ts";

/** The name that images come from. */
export const REGISTRY_HOST = "registry.test:5000";

/** How a registry can fail besides being gone. */
export type RegistryHang =
  /** packets vanish: no SYN is ever answered */
  | "syn"
  /** connections are taken, requests are never answered */
  | "http"
  /** connections are taken, the TLS handshake never goes on */
  | "tls"
  /** the name is asked for and nobody answers */
  | "dns";

/** Debian's docker-registry as registry.test:5000, in a namespace of its own. */
export interface ClusterRegistry {
  /** Starts it, with what it held before. `auth`: it asks for a password that nobody has. */
  start(options?: { readonly auth?: boolean }): Promise<void>;
  /** Ends it, or whatever stands in for it: connections are refused. */
  stop(): Promise<void>;
  /** Uploads an image under "repository:tag". */
  push(name: string, image: Built): Promise<void>;
  /** Ends it and deletes all that it holds. */
  wipe(): Promise<void>;
  /** Ends it and has calls of these nodes hang, each in its way, until the next start() or stop(). */
  hang(kinds: Readonly<Record<string, RegistryHang>>): Promise<void>;
}

const PROCESS = "registry";
const PORT = 5000;
const DNS_PORT = 53;
/** a hardware address that nobody has */
const NOBODY = "02:00:00:00:00:01";
/** for so long containerd goes by what it has read of hosts and resolv.conf (Go's net package), and then some */
const RESOLVER_MS = 6000;
/** bcrypt of a password that no test uses */
const HTPASSWD = "somebody:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";

/** The registry of a cluster whose network is there. */
export function clusterRegistry(layout: ClusterLayout, nodes: readonly WorkerNode[]): ClusterRegistry {
  const machine = machineOf("registry", ADDRESSES.registry);
  const [enter = "nsenter", ...prefix] = machine.prefix;
  const directory = join(layout.data, "registry");
  const storage = join(directory, "storage");
  const url = `http://${ADDRESSES.registry}:${PORT}`;

  async function stop(): Promise<void> {
    await stopRecorded(layout, PROCESS);
    for (const node of nodes) {
      await loseWay(node, false);
      await setName(node, { scheme: "http", isKnown: true });
    }
  }

  async function start({ auth = false }: { readonly auth?: boolean } = {}): Promise<void> {
    await stop();
    await mkdir(storage, { recursive: true });
    const password = join(directory, "htpasswd");
    await writeFile(password, HTPASSWD);
    const settings = {
      version: "0.1",
      log: { level: "warn", accesslog: { disabled: true } },
      storage: { cache: { blobdescriptor: "inmemory" }, filesystem: { rootdirectory: storage } },
      http: { addr: `${ADDRESSES.registry}:${PORT}` },
      ...(auth && { auth: { htpasswd: { realm: "registry", path: password } } }),
    };
    const config = join(directory, "config.yml");
    // JSON is YAML
    await writeFile(config, JSON.stringify(settings));
    startRecorded({ layout, name: PROCESS, command: [enter, ...prefix, "docker-registry", "serve", config] });
    await answers(auth ? 401 : 200);
  }

  async function answers(status: number): Promise<void> {
    try {
      await waitFor(
        `${url}/v2/ to answer with ${status}`,
        async () => {
          const answer = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(2000) });
          await answer.body?.cancel();
          return answer.status === status;
        },
        { timeoutMs: 120_000 },
      );
    } catch (error) {
      throw new Error(`the registry did not start; its log:\n${logTail(layout, PROCESS)}`, { cause: error });
    }
  }

  /** Sends what the node sends to the registry to a machine that is not there. */
  async function loseWay({ machine: { netns } }: WorkerNode, isLost: boolean): Promise<void> {
    const neighbour = ["-n", netns, "neigh", "replace", ADDRESSES.registry, "dev", "eth0"];
    // an entry that has failed is looked up again
    await run("ip", [...neighbour, ...(isLost ? ["lladdr", NOBODY, "nud", "permanent"] : ["nud", "failed"])]);
  }

  async function setName(
    node: WorkerNode,
    name: { readonly scheme: "http" | "https"; readonly isKnown: boolean },
  ): Promise<void> {
    await attachRegistry(node.containerd, REGISTRY_HOST, `${name.scheme}://${REGISTRY_HOST}`);
    const known = name.isKnown ? `${ADDRESSES.registry} registry.test\n` : "";
    await writeFile(node.hosts, `127.0.0.1 localhost\n${node.machine.ip} ${node.name}\n${known}`);
    await writeFile(node.resolvConf, name.isKnown ? "" : `nameserver ${ADDRESSES.registry}\n`);
  }

  return {
    start,
    stop,
    push: (name, image) => pushImage(url, name, image),
    async wipe() {
      await stop();
      await rm(storage, { recursive: true, force: true });
    },
    async hang(kinds) {
      await stop();
      const script = fileURLToPath(new URL("silent-server.ts", import.meta.url));
      const args = [script, ADDRESSES.registry, String(PORT), String(DNS_PORT)];
      startRecorded({ layout, name: PROCESS, command: [enter, ...prefix, process.execPath, ...args] });
      await waitFor("the silent server", () => canConnect(PORT, ADDRESSES.registry), { timeoutMs: 60_000 });
      for (const node of nodes) {
        const kind = kinds[node.name];
        if (kind === "syn") await loseWay(node, true);
        else await setName(node, { scheme: kind === "tls" ? "https" : "http", isKnown: kind !== "dns" });
      }
      if (Object.values(kinds).includes("dns")) await setTimeout(RESOLVER_MS);
    },
  };
}

async function canConnect(port: number, host: string): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
