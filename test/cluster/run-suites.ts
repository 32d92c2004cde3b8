import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

import { harnessConfig } from "../harness/config.ts";
import { groupMembers, signal as sendSignal } from "../harness/process-table.ts";
import { waitFor } from "../harness/wait.ts";
import type { ClusterLayout } from "./layout.ts";
import { recordOf, writeRecord } from "./recorded-process.ts";
import { planSuites, type Suite } from "./suites.ts";

/** How a suite went. */
export interface SuiteResult {
  readonly name: string;
  /** "overdue": it did not end in its time, and was killed */
  readonly outcome: "passed" | "failed" | "overdue";
  readonly seconds: number;
}

/** What runSuites needs. */
export interface RunOptions {
  readonly say: (line: string) => void;
  /** asks what runs to end, with SIGTERM; nothing further is started */
  readonly stop: AbortSignal;
  /** ends it at once */
  readonly kill: AbortSignal;
  /** of the cluster that is taken down with them, if this run has made one */
  readonly layout?: ClusterLayout;
  /** how long one suite may take, default 20 minutes */
  readonly limitMs?: number;
  /** how long what is asked to end may take, default 30 s */
  readonly graceMs?: number;
  /** print nothing of what the tests say, default false */
  readonly isQuiet?: boolean;
}

/** of one test, and of a file's tests with what goes before and after them */
const TEST_LIMIT_MS = 15 * 60_000;
/** for what none of these limits ends: a process that is kept alive by what it has started */
const SUITE_LIMIT_MS = 20 * 60_000;
const GRACE_MS = 30_000;
const KILL_MS = 10_000;

/** Runs suites in the order of planSuites; answers how each went that was run to its end. */
export async function runSuites(
  suites: readonly Suite[],
  options: RunOptions,
): Promise<readonly SuiteResult[]> {
  const results: SuiteResult[] = [];
  for (const [first = [], ...others] of planSuites(suites)) {
    const lanes = [
      runLane(first, options, options.isQuiet === true ? "none" : "at once"),
      ...others.map((lane) => runLane(lane, options, options.isQuiet === true ? "none" : "at its end")),
    ];
    results.push(...(await Promise.all(lanes)).flat());
  }
  return results;
}

/** When what a suite prints is shown: of two at the same time only one can be followed. */
type Output = "at once" | "at its end" | "none";

async function runLane(
  suites: readonly Suite[],
  options: RunOptions,
  output: Output,
): Promise<readonly SuiteResult[]> {
  const results: SuiteResult[] = [];
  for (const suite of suites) {
    if (options.stop.aborted) break;
    options.say(`suite ${suite.name}`);
    const result = await runSuite(suite, options, output);
    if (!options.stop.aborted) results.push(result);
  }
  return results;
}

/** A line for each suite, for people. */
export function resultLines(results: readonly SuiteResult[]): readonly string[] {
  const width = Math.max(0, ...results.map(({ name }) => name.length));
  return results.map(
    ({ name, outcome, seconds }) =>
      `${outcome.padEnd(7)} ${name.padEnd(width)} ${seconds.toFixed(0).padStart(5)} s`,
  );
}

async function runSuite({ name, files }: Suite, options: RunOptions, output: Output): Promise<SuiteResult> {
  const { say, stop, kill, layout, limitMs = SUITE_LIMIT_MS, graceMs = GRACE_MS } = options;
  const started = performance.now();
  const limits = ["--test-concurrency=1", `--test-timeout=${TEST_LIMIT_MS}`];
  const child = spawn(process.execPath, ["--test", ...limits, "--test-reporter=spec", ...files], {
    stdio: output === "at once" ? "inherit" : ["ignore", "pipe", "pipe"],
    // a group of its own, which ends as a whole
    detached: true,
    // the first for the tests of the controller; the second is there when this is called by a test, and would have it run none
    env: { ...harnessConfig().inherited, TOTE_TEST_API_SERVER: "real", NODE_TEST_CONTEXT: undefined },
  });
  const printed = collect(child);
  const exited = once(child, "exit");
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${process.execPath}`);
  if (layout !== undefined) writeRecord(layout, `suite-${name}`, { ...recordOf(pid), isGroup: true });
  const endNow = (): void => void sendSignal(-pid, "SIGKILL");
  let grace: NodeJS.Timeout | undefined;
  const end = (): void => {
    sendSignal(-pid, "SIGTERM");
    grace ??= setTimeout(endNow, graceMs);
  };
  let isOverdue = false;
  const limit = setTimeout(() => {
    isOverdue = true;
    say(`suite ${name} has not ended after ${limitMs / 1000} s: ending it`);
    end();
  }, limitMs);
  stop.addEventListener("abort", end, { once: true });
  kill.addEventListener("abort", endNow, { once: true });
  try {
    if (stop.aborted) end();
    await exited;
    const isEmpty = (): boolean => groupMembers(pid).length === 0;
    if (!isEmpty()) {
      // files of tests, for which node does not wait when it is told to end, and what they have left
      end();
      await waitFor(`the end of what suite ${name} has started`, isEmpty, { timeoutMs: graceMs + KILL_MS });
    }
  } finally {
    stop.removeEventListener("abort", end);
    kill.removeEventListener("abort", endNow);
    clearTimeout(limit);
    clearTimeout(grace);
  }
  if (output === "at its end") process.stdout.write(Buffer.concat(printed));
  const outcome = isOverdue ? "overdue" : child.exitCode === 0 ? "passed" : "failed";
  return { name, outcome, seconds: (performance.now() - started) / 1000 };
}

/** Pieces of what a process prints, as they come. */
function collect({ stdout, stderr }: ChildProcess): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (const stream of [stdout, stderr]) stream?.on("data", (piece: Buffer) => void pieces.push(piece));
  return pieces;
}
