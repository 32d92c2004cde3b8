/** `node test/image/measure.ts`, as root: how long each service of the image takes to be ready, and its memory when idle. */

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { parse } from "yaml";

import { NODE_OPTION } from "../../build/image/image-config.ts";
import { APP_DIRECTORY } from "../../build/image/image-file.ts";
import { writeRootfs } from "../../build/image/rootfs.ts";
import { createApiServer, parseObject } from "../harness/apiserver/server.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { startContainerd } from "../harness/containerd-node.ts";
import { createPki } from "../harness/pki.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";

/** starts of each service; the median counts */
const STARTS = 5;
/** a service is idle when nothing has happened for this long */
const SETTLE_MS = 20_000;
const KIBIBYTE = 1024;

interface Service {
  readonly name: string;
  readonly args: readonly string[];
  /** host:port of /readyz */
  readonly health: string;
}

interface Start {
  readonly readyMs: number;
  readonly cpuMs: number;
  /** bytes */
  readonly rss: number;
  /** bytes */
  readonly anonymous: number;
}

const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));

async function main(): Promise<void> {
  const cleanup = createCleanup();
  try {
    const app = await unpackApp(cleanup.directory());
    process.stdout.write(
      "service ready (ms, median) CPU until then (ms, median) idle RSS (MiB) anonymous (MiB)\n",
    );
    for (const service of await services(cleanup)) {
      const starts: Start[] = [];
      for (let round = 1; round < STARTS; round += 1) starts.push(await start(app, service, cleanup, 0));
      const last = await start(app, service, cleanup, SETTLE_MS);
      starts.push(last);
      const ready = median(starts.map(({ readyMs }) => readyMs));
      const cpu = median(starts.map(({ cpuMs }) => cpuMs));
      const row = [service.name, ready, cpu, mib(last.rss), mib(last.anonymous)];
      process.stdout.write(`${row.join(" ")}\n`);
    }
  } finally {
    await cleanup.run();
  }
}

/** The sources and dependencies as they are in the image; Node is the one that the image has. */
async function unpackApp(directory: string): Promise<string> {
  const rootfs = join(directory, "rootfs");
  await writeRootfs(rootfs, { root, node: process.execPath });
  const [app, dependencies] = ["app", "dependencies"].map((layer) => join(rootfs, layer, APP_DIRECTORY));
  await cp(join(dependencies ?? "", "node_modules"), join(app ?? "", "node_modules"), { recursive: true });
  return join(app ?? "", "tote.ts");
}

async function services(cleanup: Cleanup): Promise<readonly Service[]> {
  const directory = cleanup.directory();
  const pki = await createPki();
  const tls = async (role: "tote-agent" | "tote-controller" | "tote-relay"): Promise<readonly string[]> => {
    const folder = await pki.write(join(directory, role), await pki.role(role));
    return ["--tls-cert", join(folder, "tls.crt"), "--tls-key", join(folder, "tls.key")];
  };
  const ca = ["--tls-ca", join(directory, "tote-agent", "ca.crt")];
  const node = await startContainerd({ name: "idle", cleanup });
  const crd = parse(await readFile(join(root, "charts/tote/crds/salvagerecords.yaml"), "utf8")) as unknown;
  const server = await createApiServer({ cleanup, crds: [parseObject(JSON.stringify(crd))], tls: true });
  const [metrics = 0, grpc = 0, health = 0, relay = 0] = await freePorts(4);
  const files = join(directory, "relay");
  await mkdir(files);
  await writeFile(join(files, "token"), "0123456789abcdef");
  await writeFile(
    join(files, "relay.yaml"),
    "subscriptions: [{name: a, type: webhook, url: https://203.0.113.1/}]",
  );
  const [ofAgent, ofController, ofRelay] = [
    await tls("tote-agent"),
    await tls("tote-controller"),
    await tls("tote-relay"),
  ];
  const at = `127.0.0.1:${health}`;
  const flags = (values: Readonly<Record<string, string | number>>): readonly string[] =>
    Object.entries(values).map(([name, value]) => `--${name}=${value}`);
  const agent = flags({
    "node-name": "a",
    "containerd-socket": node.socket,
    "containerd-root": node.root,
    "bind-address": "127.0.0.1",
    "grpc-port": grpc,
    "metrics-addr": at,
  });
  const controller = flags({
    kubeconfig: server.kubeconfigPath(),
    "agent-namespace": "tote",
    "health-addr": at,
    "metrics-addr": `127.0.0.1:${metrics}`,
  });
  const ofWebhooks = flags({
    config: join(files, "relay.yaml"),
    "data-dir": join(files, "data"),
    "token-file": join(files, "token"),
    listen: `127.0.0.1:${relay}`,
    "metrics-addr": at,
  });
  return [
    { name: "agent", args: ["agent", ...agent, ...ofAgent, ...ca], health: at },
    { name: "controller", args: ["controller", ...controller, ...ofController, ...ca], health: at },
    { name: "webhook-relay", args: ["webhook-relay", ...ofWebhooks, ...ofRelay], health: at },
  ];
}

async function start(
  program: string,
  { name, args, health }: Service,
  cleanup: Cleanup,
  settleMs: number,
): Promise<Start> {
  const started = performance.now();
  const child = startProcess({
    name,
    command: process.execPath,
    args: [NODE_OPTION, program, ...args],
    cleanup,
  });
  try {
    await waitFor(`${name} to be ready`, async () => (await fetch(`http://${health}/readyz`)).ok, {
      timeoutMs: 60_000,
      intervalMs: 10,
    });
    const readyMs = performance.now() - started;
    const cpuMs = cpuTime(await readFile(`/proc/${child.pid}/stat`, "utf8"));
    await sleep(settleMs);
    const status = await readFile(`/proc/${child.pid}/status`, "utf8");
    return { readyMs, cpuMs, rss: memory(status, "VmRSS"), anonymous: memory(status, "RssAnon") };
  } catch (error) {
    throw new Error(`${name} failed, its log:\n${child.logs()}`, { cause: error });
  } finally {
    await child.stop();
  }
}

/** A line of /proc/PID/status in bytes, see proc(5). */
function memory(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * KIBIBYTE;
}

/** User and system time in milliseconds, see proc(5); a tick is a hundredth of a second. */
function cpuTime(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function median(values: readonly number[]): string {
  return (values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0).toFixed(0);
}

function mib(bytes: number): string {
  return (bytes / KIBIBYTE / KIBIBYTE).toFixed(0);
}

await main();
