/** What the kernel says of a process (proc(5)). */
import { readFile, writeFile } from "node:fs/promises";

/** Ticks per second of the times in /proc/PID/stat: USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process with all its threads, and of its children that have ended and were waited for, in seconds. */
export interface CpuTime {
  readonly self: number;
  readonly children: number;
}

/** Reads a process's CPU time. */
export async function readCpu(pid: number | "self"): Promise<CpuTime> {
  return parseCpu(await readFile(`/proc/${pid}/stat`, "utf8"));
}

/** Parses /proc/PID/stat. */
export function parseCpu(stat: string): CpuTime {
  // the second field, the program's name in brackets, may hold blanks and brackets
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number);
  if (user === undefined || system === undefined) throw new Error(`no times in stat: ${stat}`);
  return {
    self: (user + system) / TICKS_PER_SECOND,
    children: ((childrenUser ?? 0) + (childrenSystem ?? 0)) / TICKS_PER_SECOND,
  };
}

/** Lets a process's peak of resident memory begin anew. */
export async function resetPeakMemory(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5");
}

/** The peak of a process's resident memory since the reset, in bytes. */
export async function readPeakMemory(pid: number): Promise<number> {
  return parsePeakMemory(await readFile(`/proc/${pid}/status`, "utf8"));
}

/** Parses /proc/PID/status. */
export function parsePeakMemory(status: string): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`no VmHWM in status: ${status}`);
  return Number(kib) * 1024;
}

/** Bytes that have arrived at eth0 of the network namespace that a process is in, headers of packets included. */
export async function readReceived(pid: number): Promise<number> {
  return parseReceived(await readFile(`/proc/${pid}/net/dev`, "utf8"));
}

/** Parses /proc/PID/net/dev. */
export function parseReceived(dev: string): number {
  const bytes = /^\s*eth0:\s*(\d+)/m.exec(dev)?.[1];
  if (bytes === undefined) throw new Error(`no eth0 in the network namespace: ${dev}`);
  return Number(bytes);
}
