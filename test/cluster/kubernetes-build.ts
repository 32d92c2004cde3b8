import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { isAlive } from "../harness/process-table.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { privateApt } from "../setup/private-apt.ts";
import { ensureSystem } from "../setup/system.ts";
import { mendSource } from "./kubernetes-mends.ts";

/** The release that Debian 12 has as a source package. */
export const KUBERNETES_VERSION = "1.20.2";
/** Programs that are built. */
export const KUBERNETES_PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kubectl",
] as const;

const suite = "bookworm";
/** Kubernetes 1.20 does not build with what is current */
const goRoot = "/usr/lib/go-1.19";
const ENDING_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
const progressMs = 20_000;
const buildTimeoutMs = 3 * 3_600_000;

/** Options of buildKubernetes. */
export interface KubernetesBuildOptions {
  /** folder that gets the programs */
  readonly target: string;
  /** told what is going on, a line at a time */
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Builds Kubernetes from Debian's source package (15 minutes on two idle cores, 3 GB of disk while it runs). A build that
 * was interrupted goes on where it was; of two at a time the second waits for the first. Throws an Error that says how
 * to go without, or CommandError.
 */
export async function buildKubernetes(options: KubernetesBuildOptions): Promise<void> {
  const { target, say, signal } = options;
  const scratch = `${target}.build`;
  await mkdir(scratch, { recursive: true });
  await ownBuild(scratch, target, options);
  if (await isBuilt(target)) return;
  await ensureSystem(["kubernetes"], signal);
  const root = join(scratch, "go", "src", "k8s.io", "kubernetes");
  if (!existsSync(join(root, "Makefile"))) await unpackSource(scratch, root, options);
  await writeFile(join(scratch, "version"), versionFile());
  say(`building ${KUBERNETES_PROGRAMS.join(", ")} ${KUBERNETES_VERSION} in ${scratch}`);
  await make(root, scratch, options);
  await keep(join(root, "_output", "local", "bin"), target, options);
  await rm(scratch, { recursive: true, force: true });
  say(`Kubernetes ${KUBERNETES_VERSION} is in ${target}`);
}

/** Whether all programs are in a folder. */
export async function isBuilt(target: string): Promise<boolean> {
  if (!existsSync(target)) return false;
  const there = await readdir(target);
  return KUBERNETES_PROGRAMS.every((program) => there.includes(program));
}

/** Waits until no other process builds there, and writes down that this one does. */
async function ownBuild(scratch: string, target: string, options: KubernetesBuildOptions): Promise<void> {
  const file = join(scratch, "owner");
  if (existsSync(file)) {
    const owner = Number(await readFile(file, "utf8"));
    if (owner !== process.pid && isAlive(owner)) {
      options.say(`process ${owner} builds Kubernetes already: waiting for it`);
      await waitFor(`the build of process ${owner}`, async () => !isAlive(owner) || (await isBuilt(target)), {
        timeoutMs: buildTimeoutMs,
        intervalMs: 2000,
        signal: options.signal,
      });
    }
  }
  await mkdir(scratch, { recursive: true });
  await writeFile(file, String(process.pid));
}

async function unpackSource(scratch: string, root: string, options: KubernetesBuildOptions): Promise<void> {
  const { say, signal } = options;
  say(`fetching Debian's source package of Kubernetes from ${suite}`);
  const apt = await privateApt({ suite, scratch, type: "deb-src", signal });
  await apt.get("source", "--download-only", "kubernetes");
  const description = (await readdir(scratch)).find((name) => name.endsWith(".dsc"));
  if (description === undefined) throw new Error(`apt-get source left no description (.dsc) in ${scratch}`);
  if (!description.includes(KUBERNETES_VERSION)) {
    throw new Error(
      `Debian's ${suite} has ${description}, not Kubernetes ${KUBERNETES_VERSION}: set KUBEBUILDER_ASSETS and TOTE_KUBE_BIN to folders with binaries`,
    );
  }
  say(`unpacking ${description}`);
  const half = join(scratch, "half");
  await rm(half, { recursive: true, force: true });
  await run("dpkg-source", ["--no-check", "-x", description, half], {
    cwd: scratch,
    signal,
    timeoutMs: 600_000,
  });
  await mkdir(join(root, ".."), { recursive: true });
  await rm(root, { recursive: true, force: true });
  await mendSource({ root: half, scratch, suite, signal });
  await rename(half, root);
}

/** What hack/lib/version.sh reads instead of asking git. */
function versionFile(): string {
  const [major = "", minor = ""] = KUBERNETES_VERSION.split(".");
  const values = {
    COMMIT: "debian",
    TREE_STATE: "archive",
    VERSION: `v${KUBERNETES_VERSION}`,
    MAJOR: major,
    MINOR: minor,
  };
  return Object.entries(values)
    .map(([name, value]) => `KUBE_GIT_${name}='${value}'\n`)
    .join("");
}

async function make(root: string, scratch: string, options: KubernetesBuildOptions): Promise<void> {
  const what = KUBERNETES_PROGRAMS.map((program) => `cmd/${program}`).join(" ");
  const child = spawn("nice", ["-n", "10", "make", `WHAT=${what}`, "GOFLAGS=-v"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    // a group of its own, so that the compilers end with it
    detached: true,
    env: {
      HOME: scratch,
      PATH: `${goRoot}/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      GOPATH: join(scratch, "go"),
      GOCACHE: join(scratch, "cache-go"),
      GO111MODULE: "off",
      CGO_ENABLED: "0",
      KUBE_GIT_VERSION_FILE: join(scratch, "version"),
    },
  });
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
  };
  process.once("exit", end);
  // without a listener a signal would end this process alone, and not the compilers
  const quit = (): void => process.exit(1);
  if (options.signal === undefined) for (const name of ENDING_SIGNALS) process.once(name, quit);
  options.signal?.addEventListener("abort", end, { once: true });
  const last = follow([child.stdout, child.stderr], options.say);
  try {
    await once(child, "close");
  } finally {
    last.stop();
    process.off("exit", end);
    for (const name of ENDING_SIGNALS) process.off(name, quit);
    options.signal?.removeEventListener("abort", end);
  }
  options.signal?.throwIfAborted();
  if (child.exitCode !== 0) {
    throw new Error(
      `building Kubernetes failed (make exited with ${child.exitCode}):\n${last.lines().join("\n")}`,
    );
  }
}

/** Says the stages of the build as they come, and how many packages are compiled now and then. */
function follow(
  streams: readonly Readable[],
  say: (line: string) => void,
): { lines(): readonly string[]; stop(): void } {
  const lines: string[] = [];
  let packages = 0;
  const started = performance.now();
  const timer = setInterval(() => {
    const minutes = ((performance.now() - started) / 60_000).toFixed(1);
    say(`compiled ${packages} packages in ${minutes} min`);
  }, progressMs);
  for (const stream of streams) {
    createInterface({ input: stream }).on("line", (line) => {
      if (line.startsWith("+++")) say(line);
      // what -v prints: an import path
      if (/^[a-z0-9][\w./-]*$/i.test(line)) {
        packages += 1;
        return;
      }
      lines.push(line);
      if (lines.length > 60) lines.shift();
    });
  }
  return { lines: () => lines, stop: () => clearInterval(timer) };
}

/** Copies the programs to their place, all or none. */
async function keep(bin: string, target: string, options: KubernetesBuildOptions): Promise<void> {
  const platforms = await readdir(join(bin, "linux"));
  const from = join(bin, "linux", platforms[0] ?? "");
  const half = `${target}.half`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { recursive: true });
  for (const program of KUBERNETES_PROGRAMS) await copyFile(join(from, program), join(half, program));
  const { stdout } = await run(join(half, "kubelet"), ["--version"], { signal: options.signal });
  if (!stdout.includes(`v${KUBERNETES_VERSION}`))
    throw new Error(`the kubelet that was built says ${stdout.trim()}`);
  await rm(target, { recursive: true, force: true });
  await rename(half, target);
}
