import { mkdtempSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { harnessConfig } from "./config.ts";
import { runDirectoryPrefix, sweepRunDirectories } from "./leftovers.ts";

/** What a Cleanup needs from node:test's TestContext. */
export interface TestLike {
  /** set by Node when the test function has ended; the declarations of @types/node lack it */
  readonly passed?: boolean;
  after(fn: () => Promise<void>): void;
  diagnostic(message: string): void;
}

/** One thing to undo at the end. */
export interface CleanupStep {
  /** shown when undoing fails, e.g. "stop containerd a" */
  readonly name: string;
  /** undoes it, waiting as needed; must be harmless when it was undone already */
  readonly undo: () => Promise<void>;
  /** undoes as much as can be undone without waiting; used when this process is about to end */
  readonly undoNow?: () => void;
  /** last log lines, printed when the test failed */
  readonly logs?: () => string;
}

/** A stack of things to undo, in reverse order: also when the process ends by a signal, an exit or an uncaught exception. */
export interface Cleanup extends AsyncDisposable {
  /** A directory of this run, made at the first call and removed at the end (short: unix sockets must fit in 107 bytes). */
  directory(): string;
  /** Adds a step; the function returned removes it again (because the thing has been undone by its owner). */
  add(step: CleanupStep): () => void;
  /** Undoes everything; a second call does nothing. Throws an AggregateError when steps failed, after running all. */
  run(): Promise<void>;
}

const endingSignals = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
/** log lines per process in the report of a failed test */
const reportedLines = 60;

/** Makes a Cleanup. With a test context it runs by itself when the test ends, and prints the logs of a failed test. */
export function createCleanup(test?: TestLike): Cleanup {
  const cleanup = new CleanupStack();
  test?.after(async () => {
    if (test.passed === false) cleanup.report((line) => test.diagnostic(line));
    await cleanup.run();
  });
  return cleanup;
}

class CleanupStack implements Cleanup {
  readonly #steps: CleanupStep[] = [];
  readonly #onExit = (): void => this.#undoNow();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    // 'exit' listeners, ours among them, run inside this call
    process.exit(128 + constants.signals[signal]);
  };
  #directory: string | undefined;
  #run: Promise<void> | undefined;

  constructor() {
    process.on("exit", this.#onExit);
    for (const signal of endingSignals) process.on(signal, this.#onSignal);
  }

  directory(): string {
    if (this.#directory === undefined) {
      const base = harnessConfig().directory;
      sweepRunDirectories(base);
      const path = mkdtempSync(join(base, `${runDirectoryPrefix}${process.pid}-`));
      this.#directory = path;
      const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      // at the bottom: whatever uses the directory is undone before it
      this.#steps.unshift({
        name: `remove ${path}`,
        undo: () => Promise.resolve(remove()),
        undoNow: remove,
      });
    }
    return this.#directory;
  }

  add(step: CleanupStep): () => void {
    if (this.#run !== undefined) throw new Error(`cannot add "${step.name}": the cleanup has run already`);
    this.#steps.push(step);
    return () => {
      const index = this.#steps.indexOf(step);
      if (index >= 0) this.#steps.splice(index, 1);
    };
  }

  run(): Promise<void> {
    this.#run ??= this.#undoAll();
    return this.#run;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.run();
  }

  report(print: (line: string) => void): void {
    for (const { name, logs } of this.#steps) {
      if (logs === undefined) continue;
      print(`--- log, to undo by: ${name}`);
      for (const line of logs().split("\n").slice(-reportedLines)) print(line);
    }
  }

  async #undoAll(): Promise<void> {
    const errors: unknown[] = [];
    let step: CleanupStep | undefined;
    while ((step = this.#steps.at(-1)) !== undefined) {
      const { name, undo } = step;
      try {
        await undo();
      } catch (error) {
        errors.push(new Error(`could not ${name}: ${String(error)}`, { cause: error }));
      }
      // an exit while undoing must still find the step
      const index = this.#steps.indexOf(step);
      if (index >= 0) this.#steps.splice(index, 1);
    }
    process.off("exit", this.#onExit);
    for (const signal of endingSignals) process.off(signal, this.#onSignal);
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join("; "));
  }

  #undoNow(): void {
    let step: CleanupStep | undefined;
    while ((step = this.#steps.pop()) !== undefined) {
      try {
        step.undoNow?.();
      } catch (error) {
        // nobody is left to catch it, and the steps below must run
        process.stderr.write(`could not ${step.name}: ${String(error)}\n`);
      }
    }
  }
}
