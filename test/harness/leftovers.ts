import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { containerdPaths } from "./containerd-paths.ts";
import { isAlive, killProcessesOf } from "./process-table.ts";

// Everything here is synchronous: it also runs in 'exit' listeners, where nothing can be awaited.

/** Directories of runs are named with this, the process id of their owner, and six random characters. */
export const runDirectoryPrefix = "tote-test-";

/** what a containerd consists of */
export const containerdProgramNames: readonly string[] = ["containerd", "containerd-shim-runc-v2", "runc"];
/** what runs start; nothing else is ever ended by its command line */
const runPrograms: readonly string[] = [...containerdProgramNames, "node", "docker-registry", "nsenter"];

/** Removes what runs left behind whose process is gone: processes, mounts and directories. */
export function sweepRunDirectories(base: string): void {
  for (const entry of readdirSync(base)) {
    const owner = new RegExp(`^${runDirectoryPrefix}(\\d+)-`).exec(entry)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const path = join(base, entry);
    killProcessesOf(path, runPrograms);
    for (const child of list(path)) {
      const directory = join(path, child);
      if (existsSync(containerdPaths(directory).config)) clearContainerd(directory);
    }
    removeTree(path);
  }
}

/**
 * Ends what is left of a containerd whose daemon is gone or about to go: shims, containers, what runc keeps of them
 * (cgroups), mounts; then removes its folder.
 */
export function clearContainerd(directory: string): void {
  const { state, runcRoot } = containerdPaths(directory);
  const shimSockets = findShimSockets(join(state, "io.containerd.runtime.v2.task"));
  killProcessesOf(directory, containerdProgramNames);
  for (const namespace of list(runcRoot)) {
    const root = join(runcRoot, namespace);
    for (const id of list(root)) {
      unlessGone(
        () => execFileSync("runc", ["--root", root, "delete", "--force", id], { stdio: "pipe" }),
        () => existsSync(join(root, id)),
      );
    }
  }
  for (const path of shimSockets) rmSync(path, { force: true });
  removeTree(directory);
}

function removeTree(directory: string): void {
  unmountBelow(directory);
  unlessGone(
    () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }),
    () => existsSync(directory),
  );
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
  let found: readonly string[] = [];
  unlessGone(
    () => (found = readdirSync(directory)),
    () => existsSync(directory),
  );
  return found;
}

/** Unmounts everything mounted at or below `directory`, deepest first. */
export function unmountBelow(directory: string): void {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
  // the latest mount comes last; -l: a dying process may hold it for a moment
  for (const path of mounts.toReversed()) {
    unlessGone(
      () => execFileSync("umount", ["-l", path], { stdio: "pipe" }),
      () => readFileSync("/proc/self/mounts", "utf8").includes(` ${path.replaceAll(" ", "\\040")} `),
    );
  }
}

/** Does something about a leftover that another run may be clearing away at the same moment. */
export function unlessGone(action: () => void, isThere: () => boolean): void {
  try {
    action();
  } catch (error) {
    if (isThere()) throw error;
  }
}
