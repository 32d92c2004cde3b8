import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cleanup } from "./cleanup.ts";
import { harnessConfig } from "./config.ts";
import { containerdConfig } from "./containerd-config.ts";
import { containerdPaths } from "./containerd-paths.ts";
import { containerdPrograms } from "./containerd-version.ts";
import type { ContainerdPrograms } from "./containerd-version.ts";
import { criAnswers } from "./cri.ts";
import { clearContainerd } from "./leftovers.ts";
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
  /** largest message that its API takes, in bytes; default containerd's own */
  readonly maxMessageBytes?: number;
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
  const paths = containerdPaths(dir);
  for (const path of [paths.root, paths.scratch, paths.configPath]) await mkdir(path, { recursive: true });
  const forget = cleanup.add({
    name: `clear ${dir}`,
    undo: () => Promise.resolve(clearContainerd(dir)),
    undoNow: () => clearContainerd(dir),
  });
  if (options.tmpfsSize !== undefined) {
    await run("mount", ["-t", "tmpfs", "-o", `size=${options.tmpfsSize}`, "tmpfs", paths.root], { signal });
  }
  const { os, architecture } = hostPlatform();
  await writeFile(
    paths.config,
    containerdConfig({
      ...paths,
      major: programs.version.startsWith("1.") ? 1 : 2,
      snapshotter,
      discardUnpackedLayers: options.discardUnpackedLayers ?? false,
      contentSharingPolicy: options.contentSharingPolicy ?? "shared",
      maxMessageBytes: options.maxMessageBytes,
      sandboxImage,
      platform: `${os}/${architecture}`,
    }),
  );
  const start = (): RunningProcess => startDaemon(options, programs, paths.config);
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
      clearContainerd(dir);
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
