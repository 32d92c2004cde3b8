import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cleanup } from "./cleanup.ts";
import { harnessConfig } from "./config.ts";
import { containerdConfig } from "./containerd-config.ts";
import { containerdPrograms } from "./containerd-version.ts";
import type { ContainerdPrograms } from "./containerd-version.ts";
import { criAnswers } from "./cri.ts";
import { containerdProgramNames, killProcessesOf, unmountBelow } from "./leftovers.ts";
import type { NetworkNode } from "./netns.ts";
import { hostPlatform } from "./platform.ts";
import type { ContainerdVersion } from "./config.ts";
import { commandLine, startProcess } from "./processes.ts";
import type { RunningProcess } from "./processes.ts";
import { run } from "./run.ts";
import { GiveUp, waitFor } from "./wait.ts";

/** Options of startContainerd. */
export interface ContainerdOptions {
  /** unique within the cleanup's directory; also the directory's name */
  readonly name: string;
  readonly cleanup: Cleanup;
  /** folder for root, state, socket and configuration, removed by stop(); default: cleanup.directory()/name */
  readonly dir?: string;
  /** default: TOTE_TEST_CONTAINERD, else the system's */
  readonly version?: ContainerdVersion;
  /** run the daemon in this network namespace; default: the host's */
  readonly network?: NetworkNode;
  /** CRI drops layer blobs after unpacking; default false */
  readonly discardUnpackedLayers?: boolean;
  /** CRI's snapshotter, default "overlayfs" */
  readonly snapshotter?: "overlayfs" | "native";
  /** may namespaces share blobs without sending them; default "shared" */
  readonly contentSharingPolicy?: "shared" | "isolated";
  /** put containerd's root on a tmpfs of this many bytes, for a disk that is full */
  readonly tmpfsSize?: number;
  /** added to the daemon's environment */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A containerd of our own. */
export interface ContainerdNode {
  readonly name: string;
  /** what `containerd --version` says, e.g. "1.6.20" */
  readonly version: string;
  /** path of the gRPC socket */
  readonly socket: string;
  /** containerd's root directory */
  readonly root: string;
  /** where blobs lie: CONTENTDIR/blobs/sha256/HEX */
  readonly contentDir: string;
  /** hosts.toml directory of CRI, read at every pull: see Registry.attach */
  readonly configPath: string;
  readonly snapshotter: string;
  /** path of the ctr that belongs to this daemon */
  readonly ctr: string;
  /** directory for runc's state */
  readonly runcRoot: string;
  /** process id of the daemon that runs now */
  readonly pid: number;
  /** the last lines that the daemon logged */
  logs(): string;
  /** Signals the daemon (not its containers), default SIGKILL; waits for its end when the signal asks for it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the daemon if it runs and starts it again on the same state; waits until CRI answers. */
  restart(signal?: AbortSignal): Promise<void>;
  /** Ends daemon, shims and containers, unmounts everything below the folder and removes it. */
  stop(): Promise<void>;
}

/** name of the sandbox image that CRI is told; no test needs it to exist */
const sandboxImage = "registry.test:5000/pause:1";
const readyTimeoutMs = 30_000;

/** Starts a containerd and waits until CRI answers. Needs root. Throws an Error with the daemon's log when it does not come up. */
export async function startContainerd(options: ContainerdOptions): Promise<ContainerdNode> {
  const { name, cleanup, snapshotter = "overlayfs", signal } = options;
  const programs = await containerdPrograms(options.version, signal);
  const dir = options.dir ?? join(cleanup.directory(), name);
  const paths = {
    root: join(dir, "root"),
    state: join(dir, "state"),
    socket: join(dir, "containerd.sock"),
    scratch: join(dir, "scratch"),
    configPath: join(dir, "certs.d"),
    runcRoot: join(dir, "runc"),
  };
  for (const path of [paths.root, paths.scratch, paths.configPath]) await mkdir(path, { recursive: true });
  const forget = cleanup.add({
    name: `clear ${dir}`,
    undo: () => Promise.resolve(clear(dir, paths)),
    undoNow: () => clear(dir, paths),
  });
  if (options.tmpfsSize !== undefined) {
    await run("mount", ["-t", "tmpfs", "-o", `size=${options.tmpfsSize}`, "tmpfs", paths.root], { signal });
  }
  const config = join(dir, "config.toml");
  const { os, architecture } = hostPlatform();
  await writeFile(
    config,
    containerdConfig({
      ...paths,
      major: programs.version.startsWith("1.") ? 1 : 2,
      snapshotter,
      discardUnpackedLayers: options.discardUnpackedLayers ?? false,
      contentSharingPolicy: options.contentSharingPolicy ?? "shared",
      sandboxImage,
      platform: `${os}/${architecture}`,
    }),
  );
  const start = (): RunningProcess => startDaemon(options, programs, config);
  let daemon = start();
  await ready(daemon, paths.socket, signal);

  return {
    name,
    version: programs.version,
    socket: paths.socket,
    root: paths.root,
    contentDir: join(paths.root, "io.containerd.content.v1.content"),
    configPath: paths.configPath,
    snapshotter,
    ctr: programs.ctr,
    runcRoot: paths.runcRoot,
    get pid() {
      return daemon.pid;
    },
    logs: () => daemon.logs(),
    kill: (signalName) => daemon.kill(signalName),
    async restart(restartSignal) {
      await daemon.stop();
      daemon = start();
      await ready(daemon, paths.socket, restartSignal);
    },
    async stop() {
      await daemon.stop();
      clear(dir, paths);
      forget();
    },
  };
}

function startDaemon(
  options: ContainerdOptions,
  programs: ContainerdPrograms,
  config: string,
): RunningProcess {
  const { prefix = [] } = options.network ?? {};
  const [command, ...args] = commandLine(prefix, programs.containerd, "--config", config);
  const path = harnessConfig().inherited["PATH"] ?? "";
  return startProcess({
    name: `containerd ${options.name}`,
    command,
    args,
    cleanup: options.cleanup,
    env: {
      ...(programs.binDir !== undefined && { PATH: `${programs.binDir}:${path}` }),
      ...options.env,
    },
  });
}

async function ready(daemon: RunningProcess, socket: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await waitFor(
      `CRI of ${daemon.name}`,
      async () => {
        if (daemon.status() !== undefined) throw new GiveUp(`${daemon.name} has ended`);
        return existsSync(socket) && (await criAnswers(socket, signal));
      },
      { timeoutMs: readyTimeoutMs, signal },
    );
  } catch (error) {
    const log = daemon.logs();
    await daemon.stop();
    throw new Error(`${daemon.name} did not start; its log:\n${log}`, { cause: error });
  }
}

/** Ends what is left of a containerd whose daemon is gone or about to go, and removes its folder. */
function clear(dir: string, paths: { readonly state: string; readonly runcRoot: string }): void {
  const shimSockets = findShimSockets(join(paths.state, "io.containerd.runtime.v2.task"));
  killProcessesOf(dir, containerdProgramNames);
  deleteContainers(paths.runcRoot);
  for (const path of shimSockets) rmSync(path, { force: true });
  unmountBelow(dir);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes what runc keeps of containers whose processes are gone (cgroups, state). */
function deleteContainers(runcRoot: string): void {
  for (const namespace of list(runcRoot)) {
    const root = join(runcRoot, namespace);
    for (const id of list(root))
      execFileSync("runc", ["--root", root, "delete", "--force", id], { stdio: "pipe" });
  }
}

/** Shims make their sockets in /run/containerd/s whatever containerd's state directory is, and say so in their bundle. */
function findShimSockets(tasks: string): readonly string[] {
  const found: string[] = [];
  for (const namespace of list(tasks)) {
    for (const id of list(join(tasks, namespace))) {
      for (const file of ["address", "bootstrap.json"]) {
        const path = join(tasks, namespace, id, file);
        if (!existsSync(path)) continue;
        const socket = /unix:\/\/(\/[^"\s]+)/.exec(readFileSync(path, "utf8"))?.[1];
        if (socket !== undefined) found.push(socket);
      }
    }
  }
  return found;
}

function list(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
