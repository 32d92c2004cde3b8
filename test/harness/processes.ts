import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cleanup } from "./cleanup.ts";
import { harnessConfig } from "./config.ts";
import { signal as sendSignal, waitForEnd } from "./process-table.ts";

/** How a process ended: a code, or the signal that ended it. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process started by the harness. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** settles when the process has ended; never rejects */
  readonly exited: Promise<ExitStatus>;
  /** undefined while it runs */
  status(): ExitStatus | undefined;
  /** the last lines of stdout and stderr together */
  logs(): string;
  /** Sends a signal (default SIGKILL); waits for the end when the signal asks for it (KILL, TERM, INT, QUIT, ABRT). */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGTERM, then SIGKILL after graceMs (default 5000); resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
}

/** Options of startProcess. */
export interface StartProcessOptions {
  /** for messages and logs */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cleanup: Cleanup;
  /** added to the environment of this process */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** how many lines logs() keeps, default 400 */
  readonly logLines?: number;
  /** all of its output is added to this file, besides; default none */
  readonly logFile?: string | undefined;
}

const endingSignals: ReadonlySet<NodeJS.Signals> = new Set([
  "SIGKILL",
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGABRT",
]);
/** after SIGKILL a process that hangs in the kernel is given up on */
const killTimeoutMs = 10_000;
/** how long output may still arrive after the end of a process */
const drainMs = 500;

/** A command line behind words that change how it is started, e.g. ["nsenter", "--net=..."]. */
export function commandLine(
  prefix: readonly string[],
  command: string,
  ...args: readonly string[]
): readonly [string, ...string[]] {
  const [first, ...rest] = prefix;
  return first === undefined ? [command, ...args] : [first, ...rest, command, ...args];
}

/** Starts a process that ends with this one. Throws when the command cannot be started. */
export function startProcess(options: StartProcessOptions): RunningProcess {
  const { name, command, args, cleanup, env = {}, cwd, logLines = 400, logFile } = options;
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...harnessConfig().inherited, ...env },
    ...(cwd !== undefined && { cwd }),
  });
  const pid = child.pid;
  if (pid === undefined) {
    // the reason comes as an event, too late for a synchronous function
    child.once("error", () => undefined);
    throw new Error(`cannot start ${name}: "${command}" is missing or is no program`);
  }
  const lines: string[] = [];
  keepLines(child, lines, logLines);
  if (logFile !== undefined) writeOutput(child, logFile);
  let status: ExitStatus | undefined;
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once("exit", (code, signal) => {
      function end(): void {
        clearTimeout(timer);
        status = { code, signal };
        forget();
        resolve(status);
      }
      // "close" means that all output has been read; a grandchild that holds the pipe must not keep us
      const timer = setTimeout(end, drainMs);
      child.once("close", end);
    });
  });

  const send = (signal: NodeJS.Signals): void => {
    // not child.kill: under Deno the child would have ended by the signal, whatever it made of it
    if (child.exitCode === null && child.signalCode === null) sendSignal(pid, signal);
  };

  async function kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (status !== undefined) return;
    send(signal);
    if (endingSignals.has(signal)) await exited;
  }

  async function stop(graceMs = 5000): Promise<void> {
    if (status !== undefined) return;
    send("SIGTERM");
    // a stopped process takes no SIGTERM
    send("SIGCONT");
    const timer = new AbortController();
    await Promise.race([exited, pause(graceMs, timer.signal)]);
    if (status === undefined) {
      send("SIGKILL");
      await Promise.race([exited, pause(killTimeoutMs, timer.signal)]);
    }
    timer.abort();
    if (status === undefined) throw new Error(`${name} (pid ${pid}) still runs after SIGKILL`);
  }

  const forget = cleanup.add({
    name: `stop ${name}`,
    undo: () => stop(),
    undoNow: () => {
      if (sendSignal(pid, "SIGKILL")) waitForEnd([pid], 3000);
    },
    logs: () => lines.join("\n"),
  });
  return { name, pid, exited, status: () => status, logs: () => lines.join("\n"), kill, stop };
}

function keepLines(child: ChildProcess, lines: string[], limit: number): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      if (lines.length > limit) lines.shift();
    });
  }
}

/** Synchronous, so that nothing is missing when this process ends. */
function writeOutput(child: ChildProcess, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (piece: Uint8Array) => appendFileSync(file, piece));
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
