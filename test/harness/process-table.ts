import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";

// Everything here is synchronous: it also runs in 'exit' listeners, where nothing can be awaited.

/** Says whether a process exists (a zombie does not). */
export function isAlive(pid: number): boolean {
  const stat = readProc(pid, "stat");
  return stat !== undefined && stateOf(stat) !== "Z";
}

/** Kills (SIGKILL) what findProcesses finds and waits for its end. */
export function killProcessesOf(directory: string, programs: readonly string[]): void {
  const doomed = findProcesses(directory, programs);
  for (const pid of doomed) signal(pid, "SIGKILL");
  waitForEnd(doomed, 3000);
}

/** Process ids of those `programs` whose command line names a path below `directory`, and of their descendants. */
export function findProcesses(directory: string, programs: readonly string[]): readonly number[] {
  const parents = new Map<number, number>();
  const found = new Set<number>();
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const stat = readProc(pid, "stat");
    if (stat === undefined || stateOf(stat) === "Z") continue;
    parents.set(pid, parentOf(stat));
    const command = (readProc(pid, "cmdline") ?? "").split("\0");
    if (programs.includes(basename(command[0] ?? "")) && names(command, directory)) found.add(pid);
  }
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

/** Process ids of a process group, without zombies. */
export function groupMembers(group: number): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      const stat = Number.isInteger(pid) ? readProc(pid, "stat") : undefined;
      return stat !== undefined && stateOf(stat) !== "Z" && Number(afterName(stat)[2]) === group;
    });
}

/** Waits (blocking) until the processes have ended; throws when one has not after timeoutMs. */
export function waitForEnd(pids: readonly number[], timeoutMs: number): void {
  const deadline = performance.now() + timeoutMs;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let left = pids.filter(isAlive);
  while (left.length > 0) {
    if (performance.now() > deadline) {
      throw new Error(`processes ${left.join(", ")} still run ${timeoutMs} ms after SIGKILL`);
    }
    Atomics.wait(cell, 0, 0, 10);
    left = left.filter(isAlive);
  }
}

/** Sends a signal; false when the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

function names(command: readonly string[], directory: string): boolean {
  return command.some((word) => word.includes(`${directory}/`));
}

function readProc(pid: number, file: "stat" | "cmdline"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // ended between listing and reading
    return undefined;
  }
}

// "pid (name) state parent group ...", where the name may hold blanks and brackets
function afterName(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function stateOf(stat: string): string {
  return afterName(stat)[0] ?? "";
}

function parentOf(stat: string): number {
  return Number(afterName(stat)[1]);
}
