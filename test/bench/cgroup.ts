/** A control group with limits, version 1 and 2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

import type { Cleanup } from "../harness/cleanup.ts";

/** How much a group may use. */
export interface CgroupLimits {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** One folder of a group: the settings to write, in this order. */
export interface CgroupFolder {
  readonly path: string;
  readonly settings: Readonly<Record<string, string>>;
}

const PERIOD_US = 100_000;

/** The folders of a group where version 1 or version 2 has the CPU and memory controllers. Pure. */
export function cgroupFolders(
  version: 1 | 2,
  root: string,
  name: string,
  { cpus, memoryBytes }: CgroupLimits,
): readonly CgroupFolder[] {
  const quota = String(Math.round(cpus * PERIOD_US));
  if (version === 2) {
    const settings = { "cpu.max": `${quota} ${PERIOD_US}`, "memory.max": String(memoryBytes) };
    return [{ path: join(root, name), settings }];
  }
  return [
    {
      path: join(root, "cpu", name),
      settings: { "cpu.cfs_period_us": String(PERIOD_US), "cpu.cfs_quota_us": quota },
    },
    { path: join(root, "memory", name), settings: { "memory.limit_in_bytes": String(memoryBytes) } },
  ];
}

/**
 * Makes a group that goes with the cleanup.
 * @returns words to put before a command line to run it in the group
 * @throws Error of the file system when this machine lets nobody make groups
 */
export function createCgroup(
  name: string,
  limits: CgroupLimits,
  cleanup: Cleanup,
  root = "/sys/fs/cgroup",
): readonly string[] {
  const version = existsSync(join(root, "cgroup.controllers")) ? 2 : 1;
  if (version === 2) enableControllers(root);
  const folders = cgroupFolders(version, root, `tote-bench-${process.pid}-${name}`, limits);
  for (const { path, settings } of folders) {
    mkdirSync(path);
    const remove = (): void => removeIfThere(path);
    cleanup.add({ name: `remove ${path}`, undo: () => Promise.resolve(remove()), undoNow: remove });
    for (const [file, value] of Object.entries(settings)) writeFileSync(join(path, file), value);
  }
  const enter = folders.map(({ path }) => `echo $$ > ${path}/cgroup.procs`).join(" && ");
  return ["sh", "-c", `${enter} && exec "$@"`, "sh"];
}

/** A group has only the controllers that the one above it hands down. */
function enableControllers(root: string): void {
  const file = join(root, "cgroup.subtree_control");
  const enabled = readFileSync(file, "utf8").trim().split(" ");
  for (const controller of ["cpu", "memory"]) {
    if (!enabled.includes(controller)) writeFileSync(file, `+${controller}`);
  }
}

function removeIfThere(path: string): void {
  if (existsSync(path)) rmdirSync(path);
}
