import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";

import type { Cleanup } from "../harness/cleanup.ts";
import type { ClusterLayout } from "./layout.ts";
import { readRecord, recordedNames } from "./recorded-process.ts";

/** Before all that has no priority of its own; far from what the kernel's own threads have. */
const PREFERRED = -10;

/**
 * Has all of the cluster, and other processes, go before whatever else the machine does, until the cleanup: what is measured
 * next to each other then tells more of it than of others. A machine that does not allow it leaves all as it is.
 */
export function preferCluster(layout: ClusterLayout, others: readonly number[], cleanup: Cleanup): void {
  const pids = [...recordedNames(layout).map((name) => readRecord(layout, name)?.pid), ...others].filter(
    (pid) => pid !== undefined,
  );
  cleanup.add({
    name: "give the cluster the priority of others again",
    undo: () =>
      Promise.resolve(pids.forEach((pid) => setPriorities(pid, constants.priority.PRIORITY_NORMAL))),
  });
  for (const pid of pids) setPriorities(pid, PREFERRED);
}

/** Of all threads of a process, and of the group that the kernel made for its session (sched(7), "The autogroup feature"). */
function setPriorities(pid: number, priority: number): void {
  const group = `/proc/${pid}/autogroup`;
  unlessRefused(() => existsSync(group) && writeFileSync(group, String(priority)));
  unlessRefused(() => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), priority);
  });
}

function unlessRefused(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // gone meanwhile, or not allowed here
    if (!["ENOENT", "ESRCH", "EACCES", "EPERM", "ERR_SYSTEM_ERROR"].includes(String(code))) throw error;
  }
}
