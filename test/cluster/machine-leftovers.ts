import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";

import { harnessConfig } from "../harness/config.ts";
import { runDirectoryPrefix } from "../harness/leftovers.ts";
import { isAlive } from "../harness/process-table.ts";
import { CGROUPS, CONTAINERS_CGROUP, MADE_FOLDERS } from "./cluster.ts";
import { readKernelSettings, type KernelSettings } from "./kernel-settings.ts";
import { clusterLayout, NAME_PREFIX } from "./layout.ts";

/** What there is on this machine of a cluster of the tests, or was made for one. */
export interface Leftovers {
  readonly namespaces: readonly string[];
  readonly links: readonly string[];
  readonly mounts: readonly string[];
  /** "ID COMMAND" of those whose command line names the cluster's folders */
  readonly processes: readonly string[];
  readonly folders: readonly string[];
  readonly cgroups: readonly string[];
  readonly kernel: KernelSettings;
}

/** Looks for all of it, without a look at what was written down. */
export function findLeftovers(): Leftovers {
  const { state, data, agentView } = clusterLayout();
  const own = [state, data];
  const folders = [...own, dirname(agentView.root), ...MADE_FOLDERS].filter((folder) => existsSync(folder));
  return {
    namespaces: list("/run/netns").filter((name) => name.startsWith(NAME_PREFIX)),
    links: list("/sys/class/net").filter((name) => name.startsWith(NAME_PREFIX)),
    mounts: readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => own.some((folder) => line.includes(folder))),
    processes: list("/proc").flatMap((pid) => commandOf(pid, own)),
    folders: [...folders, ...abandonedRuns()],
    cgroups: ["", ...list(CGROUPS)]
      .map((controller) => join(CGROUPS, controller, CONTAINERS_CGROUP))
      .filter((folder) => existsSync(folder)),
    kernel: readKernelSettings(),
  };
}

/** What there is now and was not before, and settings that differ, a line each. Pure. */
export function newSince(before: Leftovers, after: Leftovers): readonly string[] {
  const { kernel, ...lists } = after;
  const lines: string[] = [];
  for (const [what, found] of Object.entries(lists)) {
    const known: unknown = Reflect.get(before, what);
    const added = found.filter((one) => !Array.isArray(known) || !known.includes(one));
    lines.push(...added.map((one) => `${what}: ${one}`));
  }
  for (const [name, value] of Object.entries(kernel)) {
    if (before.kernel[name] !== value) lines.push(`${name}: ${value}, was ${before.kernel[name]}`);
  }
  return lines;
}

/** Folders of test files whose process has ended. */
function abandonedRuns(): readonly string[] {
  const { directory } = harnessConfig();
  return list(directory)
    .filter((name) => {
      const owner = new RegExp(`^${runDirectoryPrefix}(\\d+)-`).exec(name)?.[1];
      return owner !== undefined && !isAlive(Number(owner));
    })
    .map((name) => join(directory, name));
}

function commandOf(pid: string, folders: readonly string[]): readonly string[] {
  if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
  try {
    const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const isOurs = args.some((arg) => folders.some((folder) => arg.includes(`${folder}/`)));
    return isOurs ? [`${pid} ${basename(program)}`] : [];
  } catch {
    // ended meanwhile
    return [];
  }
}

function list(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
