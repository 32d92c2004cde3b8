import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { harnessConfig } from "./config.ts";

/** Options of run. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** bytes for stdin */
  readonly input?: string | AsyncIterable<Uint8Array>;
  /** added to the environment of this process */
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

/** A command ended with another code than 0, by a signal, or could not be started. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    command: string,
    args: readonly string[],
    result: RunResult & { readonly code: number | null; readonly reason: string },
    options?: ErrorOptions,
  ) {
    const words = (result.stderr.trim() || result.stdout.trim()).slice(-2000);
    super(`"${[command, ...args].join(" ")}" ${result.reason}${words && `: ${words}`}`, options);
    this.code = result.code;
    this.stdout = result.stdout;
    this.stderr = result.stderr;
  }
}

/** Runs a command to its end. Throws CommandError when it does not exit with code 0. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { signal, input, env = {}, cwd, timeoutMs = 120_000 } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...harnessConfig().inherited, ...env },
    killSignal: "SIGKILL",
    ...(cwd !== undefined && { cwd }),
    ...(signal !== undefined && { signal }),
  });
  // not spawn's own timeout: that one keeps this process alive when the command could not be started
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const ended = new Promise<{ code: number | null; reason: string; cause?: unknown }>((resolve) => {
    child.once("error", (cause) => resolve({ code: null, reason: `failed: ${cause.message}`, cause }));
    child.once("close", (code, by) => {
      resolve({ code, reason: by === null ? `exited with code ${code}` : `was ended by ${by}` });
    });
  });
  const [stdout, stderr, { code, reason, cause }] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
    feed(child.stdin, input),
  ]).finally(() => clearTimeout(timer));
  signal?.throwIfAborted();
  if (code !== 0) throw new CommandError(command, args, { code, stdout, stderr, reason }, { cause });
  return { stdout, stderr };
}

async function text(stream: AsyncIterable<Uint8Array> | null): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream ?? []) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

async function feed(stdin: NodeJS.WritableStream | null, input: RunOptions["input"]): Promise<void> {
  if (stdin === null || input === undefined) return;
  try {
    await pipeline(typeof input === "string" ? Readable.from([input]) : input, stdin);
  } catch (error) {
    // the command ended before it had read everything: its exit code tells the story
    if (!(error instanceof Error && "code" in error && isClosedPipe(error.code))) throw error;
  }
}

function isClosedPipe(code: unknown): boolean {
  return code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET";
}
