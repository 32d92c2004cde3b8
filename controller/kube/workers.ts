import type { Logger } from "../../lib/log.ts";
import { ApiError } from "./api-error.ts";
import type { WorkItem, WorkQueue } from "./work-queue.ts";

/** What became of a key. */
export type Outcome =
  /** nothing is left to do until something changes */
  | { readonly kind: "done" }
  /** to be looked at again after so many milliseconds */
  | { readonly kind: "again"; readonly afterMs: number }
  /** failed, to be tried again after a pause that grows */
  | { readonly kind: "retry"; readonly error: unknown }
  /** failed, and trying again would not help */
  | { readonly kind: "given-up"; readonly error: unknown };

/** What workers work with. */
export interface WorkersOptions {
  readonly queue: WorkQueue;
  /** how many keys at the same time */
  readonly workers: number;
  /** Makes the world right for one key. What it throws counts as "retry". */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Works on a queue until `signal` fires and what was begun has ended. Never throws. */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.workers }, () => work(options)));
}

async function work(options: WorkersOptions): Promise<void> {
  const { queue, signal } = options;
  while (!signal.aborted) {
    let item: WorkItem;
    try {
      item = await queue.take(signal);
    } catch {
      // take() throws for nothing but the signal
      return;
    }
    const outcome = await reconcile(options, item.key);
    // whatever it was, whoever comes next begins anew
    if (!signal.aborted) settle(options, item, outcome);
    queue.done(item.key);
  }
}

async function reconcile({ reconcile: run, signal }: WorkersOptions, key: string): Promise<Outcome> {
  try {
    return await run(key, signal);
  } catch (error) {
    return { kind: "retry", error };
  }
}

function settle({ queue, logger }: WorkersOptions, { key, priority }: WorkItem, outcome: Outcome): void {
  switch (outcome.kind) {
    case "done":
      queue.forget(key);
      return;
    case "again":
      queue.forget(key);
      queue.addAfter(key, outcome.afterMs, priority);
      return;
    case "retry": {
      const { error } = outcome;
      const failures = queue.failures(key) + 1;
      logger.warn("work failed, it will be tried again", { item: key, failures, error });
      const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
      queue.addRateLimited(key, priority, asked);
      return;
    }
    case "given-up":
      logger.error("work failed for good", { item: key, error: outcome.error });
      queue.forget(key);
  }
}
