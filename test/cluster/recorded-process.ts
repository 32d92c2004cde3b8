import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { harnessConfig } from "../harness/config.ts";
import { isAlive, signal as sendSignal, waitForEnd } from "../harness/process-table.ts";
import { waitFor } from "../harness/wait.ts";
import type { ClusterLayout } from "./layout.ts";

/** A process as it is written down. The start time tells it from a later one with the same id. */
export interface ProcessRecord {
  readonly pid: number;
  /** field 22 of /proc/PID/stat */
  readonly startTime: string;
  /** it leads a process group, which ends with it; default false */
  readonly isGroup?: boolean;
}

/** What startRecorded needs. */
export interface RecordedOptions {
  readonly layout: ClusterLayout;
  /** of the record and the log; a process of that name must not run */
  readonly name: string;
  /** program and arguments */
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

const stopGraceMs = 10_000;
const killTimeoutMs = 10_000;
/** bytes at the end of a log that a message shows */
const shownBytes = 6000;

/** Starts a process that outlives this one, with its output in a log, and writes it down. Throws when it cannot be started. */
export function startRecorded(options: RecordedOptions): ProcessRecord {
  const { layout, name, command, env = {} } = options;
  const running = readRecord(layout, name);
  if (running !== undefined) throw new Error(`cannot start ${name}: it runs as process ${running.pid}`);
  mkdirSync(layout.logs, { recursive: true });
  mkdirSync(recordFolder(layout), { recursive: true });
  const log = openSync(logPath(layout, name), "a");
  try {
    const [program, ...args] = command;
    const child = spawn(program, args, {
      stdio: ["ignore", log, log],
      detached: true,
      env: { ...harnessConfig().inherited, ...env },
    });
    if (child.pid === undefined) {
      child.once("error", () => undefined);
      throw new Error(`cannot start ${name}: "${program}" is missing or is no program`);
    }
    child.unref();
    return writeRecord(layout, name, recordOf(child.pid));
  } finally {
    closeSync(log);
  }
}

/** Writes down a process that somebody else started, and answers the record. */
export function writeRecord(layout: ClusterLayout, name: string, record: ProcessRecord): ProcessRecord {
  mkdirSync(recordFolder(layout), { recursive: true });
  writeFileSync(recordPath(layout, name), JSON.stringify(record));
  return record;
}

/** What runs under a name; undefined when it has ended, or its id belongs to another process by now. */
export function readRecord(layout: ClusterLayout, name: string): ProcessRecord | undefined {
  const path = recordPath(layout, name);
  if (!existsSync(path)) return undefined;
  const record: ProcessRecord = JSON.parse(readFileSync(path, "utf8"));
  return isSameProcess(record) ? record : undefined;
}

/** Whether the process still runs that a record is about. */
export function isSameProcess({ pid, startTime }: ProcessRecord): boolean {
  return isAlive(pid) && startTimeOf(pid) === startTime;
}

/** The record of a process that runs, e.g. this one. */
export function recordOf(pid: number): ProcessRecord {
  return { pid, startTime: startTimeOf(pid) ?? "" };
}

/** Names of all that was started and not stopped. */
export function recordedNames(layout: ClusterLayout): readonly string[] {
  const folder = recordFolder(layout);
  return existsSync(folder) ? readdirSync(folder).map((file) => file.replace(/\.json$/, "")) : [];
}

/** Sends a signal to what runs under a name; false when nothing does. */
export function signalRecorded(layout: ClusterLayout, name: string, signal: NodeJS.Signals): boolean {
  const record = readRecord(layout, name);
  return record !== undefined && sendSignal(target(record), signal);
}

/** SIGTERM, then SIGKILL after graceMs (default 10000), and forgets it. */
export async function stopRecorded(
  layout: ClusterLayout,
  name: string,
  graceMs = stopGraceMs,
): Promise<void> {
  const record = readRecord(layout, name);
  if (record !== undefined) {
    sendSignal(target(record), "SIGTERM");
    // a stopped process takes no SIGTERM
    sendSignal(target(record), "SIGCONT");
    try {
      await waitFor(`the end of ${name}`, () => !isSameProcess(record), {
        timeoutMs: graceMs,
        intervalMs: 20,
      });
    } catch {
      // its own time is up
      sendSignal(target(record), "SIGKILL");
      await waitFor(`the end of ${name} after SIGKILL`, () => !isSameProcess(record), {
        timeoutMs: killTimeoutMs,
      });
    }
  }
  rmSync(recordPath(layout, name), { force: true });
}

/** Ends everything that is written down, at once and without waiting for promises. */
export function killAllRecorded(layout: ClusterLayout): void {
  const pids: number[] = [];
  for (const name of recordedNames(layout)) {
    const record = readRecord(layout, name);
    if (record !== undefined && sendSignal(target(record), "SIGKILL")) pids.push(record.pid);
    rmSync(recordPath(layout, name), { force: true });
  }
  waitForEnd(pids, killTimeoutMs);
}

/** The last lines that a process has logged. */
export function logTail(layout: ClusterLayout, name: string, bytes = shownBytes): string {
  const path = logPath(layout, name);
  return existsSync(path) ? readFileSync(path, "utf8").slice(-bytes) : "";
}

function target({ pid, isGroup = false }: ProcessRecord): number {
  return isGroup ? -pid : pid;
}

function logPath(layout: ClusterLayout, name: string): string {
  return join(layout.logs, `${name}.log`);
}

function recordFolder(layout: ClusterLayout): string {
  return join(layout.state, "processes");
}

function recordPath(layout: ClusterLayout, name: string): string {
  return join(recordFolder(layout), `${name}.json`);
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // "pid (name) state ...": the name may hold blanks and brackets; field 22 is the 20th after it
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    // gone
    return undefined;
  }
}
