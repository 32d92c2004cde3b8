/** What a Cleanup needs from node:test's TestContext. */
export interface TestLike {
  readonly passed: boolean;
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

/** Makes a Cleanup. With a test context it runs by itself when the test ends, and prints the logs of a failed test. */
export declare function createCleanup(test?: TestLike): Cleanup;
