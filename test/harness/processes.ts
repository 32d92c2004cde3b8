import type { Cleanup } from "./cleanup.ts";

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
  /** Sends a signal; waits for the end unless the signal is SIGSTOP, SIGCONT, SIGHUP, SIGUSR1 or SIGUSR2. Harmless when it has ended. */
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
}

/** Starts a process that ends with this one. */
export declare function startProcess(options: StartProcessOptions): RunningProcess;

/** Options of run. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  /** bytes for stdin */
  readonly input?: string | AsyncIterable<Uint8Array>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** the process is killed after this many milliseconds, default 120000 */
  readonly timeoutMs?: number;
}

/** What a command printed. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. Throws CommandError when it exits with another code than 0. */
export declare function run(
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<RunResult>;
