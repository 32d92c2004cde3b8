import { Code } from "@connectrpc/connect";

import { orAbort } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { MAX_IMPORTS, PROGRESS_INTERVAL_MS, RESUME_TTL_MS } from "../limits.ts";
import type { Containerd } from "../containerd/types.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { ImageImporter } from "./image-importer.ts";
import type { ImageRecorder } from "./image-recorder.ts";
import { ImportError, StopReason, toImportError } from "./import-error.ts";
import { ImportJob, type ImportOrder, type ImportOutcome, type ImportResult } from "./import-job.ts";
import type { ImportLeases } from "./import-leases.ts";
import type { ImportProgress } from "./import-progress.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { OpenBlob } from "./peer.ts";
import { outlastRestarts } from "./outlast.ts";
import { keepSources } from "./source-heartbeat.ts";

/** What a caller is told. */
export type ImportEvent =
  | { readonly kind: "progress"; readonly progress: ImportProgress }
  | { readonly kind: "result"; readonly result: ImportResult };

/** An import that failed, with what there is to say about it. */
export class ImportFailedError extends Error {
  override readonly name = "ImportFailedError";
  readonly outcome: Extract<ImportOutcome, { ok: false }>;
  constructor(outcome: Extract<ImportOutcome, { ok: false }>) {
    super(outcome.error.message, { cause: outcome.error });
    this.outcome = outcome;
  }
}

/** Told of each import's end; `result` is "committed", "failed", "cancelled" or "retryable". */
export type OnImportEnd = (result: string, durationMs: number) => void;

/** Everything the manager works with. */
export interface ImportManagerOptions {
  readonly containerd: Pick<Containerd, "waitReady">;
  readonly importer: Pick<ImageImporter, "transfer">;
  readonly recorder: Pick<ImageRecorder, "checkTags" | "record" | "invisible">;
  readonly leases: ImportLeases;
  readonly openBlob: OpenBlob;
  readonly readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** how long an import goes on without callers, in milliseconds */
  readonly orphanGraceMs: number;
  readonly onEnd: OnImportEnd;
}

/** All imports of this node: one per digest, with any number of callers each. */
export class ImportManager {
  readonly #options: ImportManagerOptions;
  readonly #jobs = new Map<string, ImportJob>();
  /** by digest: no lease is removed while an import takes it up */
  readonly #leaseLocks = new KeyedLock();
  #isClosing = false;

  constructor(options: ImportManagerOptions) {
    this.#options = options;
  }

  /** Imports that run now. */
  get active(): number {
    return this.#jobs.size;
  }

  /**
   * Starts or joins the import of a digest. Leaving the loop does not stop it.
   * @throws ImportFailedError when it ends badly, ImportError when it cannot begin
   */
  async *import(order: ImportOrder, signal: AbortSignal): AsyncGenerator<ImportEvent, void, undefined> {
    const job = await this.#startOrJoin(order, signal);
    const detach = job.attach();
    try {
      yield { kind: "progress", progress: job.progress.snapshot() };
      while (job.outcome === undefined) {
        const progress = await job.nextProgress(PROGRESS_INTERVAL_MS, signal);
        if (!job.fits(order)) throw tooLarge(order, progress);
        yield { kind: "progress", progress };
      }
      const outcome = await job.ended;
      if (!outcome.ok) throw new ImportFailedError(outcome);
      yield { kind: "result", result: outcome.result };
    } finally {
      detach();
    }
  }

  /**
   * Stops the import of a digest and removes what it stored, or what one before kept; answers whether there was
   * anything. An import that has made its image records is past that: it ends well.
   */
  async cancel(digest: string, signal: AbortSignal): Promise<boolean> {
    const job = this.#jobs.get(digest);
    if (job !== undefined) {
      if (job.progress.phase !== "verifying") job.stop(StopReason.cancelled);
      const outcome = await orAbort(job.ended, signal);
      if (outcome.ok) return false;
    }
    const isKept = (await this.#options.leases.list({ signal })).has(digest);
    const isReleased = isKept && (await this.#releaseUnused(digest, signal));
    return isReleased || job !== undefined;
  }

  /**
   * Removes leases that nobody resumed; blobs, ingests and snapshots that only they held go with them.
   * @param createdBefore only leases older than this, in milliseconds since 1970
   */
  async sweep(createdBefore: number, signal: AbortSignal): Promise<void> {
    const { leases, logger } = this.#options;
    for (const [digest, createdAt] of await leases.list({ signal })) {
      if (createdAt.getTime() >= createdBefore) continue;
      const isGone = await this.#releaseUnused(digest, signal);
      if (isGone) logger.info("removed an import that nobody resumed", { digest });
    }
  }

  /** Takes no more imports, gives running ones `timeoutMs`, then ends them as retryable. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    const ends = [...this.#jobs.values()].map((job) => job.ended);
    const timer = new AbortController();
    const timeout = this.#options.clock.sleep(timeoutMs, timer.signal).catch(() => undefined);
    await Promise.race([Promise.all(ends), timeout]);
    timer.abort();
    for (const job of this.#jobs.values()) job.stop(StopReason.shutdown);
    await Promise.all(ends);
  }

  /** Removes an image's leases and what only they hold, unless an import runs; answers whether it did. */
  async #releaseUnused(digest: string, signal: AbortSignal): Promise<boolean> {
    return await this.#leaseLocks.run(digest, signal, async () => {
      if (this.#jobs.has(digest)) return false;
      await this.#options.leases.release(digest, { signal, sync: true });
      return true;
    });
  }

  async #startOrJoin(order: ImportOrder, signal: AbortSignal): Promise<ImportJob> {
    let isChecked = false;
    for (;;) {
      signal.throwIfAborted();
      if (this.#isClosing) {
        throw new ImportError(Code.Unavailable, "the agent shuts down, call again", { retryable: true });
      }
      const running = this.#jobs.get(order.digest);
      if (running === undefined) return this.#start(order);
      if (running.isOpen && !running.signal.aborted) {
        if (isChecked) {
          running.join(order);
          return running;
        }
        // before it joins: the import of the others must not fail for a tag of this caller
        await this.#checkTags(order, signal);
        isChecked = true;
        continue;
      }
      // too late to join: what it brought here makes the next one quick
      await orAbort(running.ended, signal);
    }
  }

  async #checkTags({ names, digest }: ImportOrder, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.recorder.checkTags(names, digest, signal);
    } catch (error) {
      throw toImportError(error, digest);
    }
  }

  #start(order: ImportOrder): ImportJob {
    if (this.#jobs.size >= MAX_IMPORTS) {
      throw new ImportError(
        Code.ResourceExhausted,
        `${this.#jobs.size} imports run on this node, at most ${MAX_IMPORTS} may: try again later`,
        { retryable: true },
      );
    }
    const { clock, orphanGraceMs, logger, onEnd } = this.#options;
    const job = new ImportJob(order, { clock, orphanGraceMs });
    this.#jobs.set(order.digest, job);
    const started = clock.monotonic();
    void job
      .run(
        () => this.#work(job, started),
        (error) => this.#cleanUp(job, error),
      )
      .then((outcome) => {
        this.#jobs.delete(job.digest);
        const durationMs = clock.monotonic() - started;
        onEnd(describe(outcome), durationMs);
        const fields = { digest: job.digest, durationMs: Math.round(durationMs) };
        if (outcome.ok) logger.info("import done", { ...fields, bytes: outcome.result.bytesTransferred });
        else
          logger.warn("import failed", {
            ...fields,
            error: outcome.error,
            retryable: outcome.error.retryable,
          });
      });
    return job;
  }

  async #work(job: ImportJob, started: number): Promise<ImportResult> {
    const { containerd, recorder, leases, importer, clock, readFacts } = this.#options;
    const { digest, signal, progress } = job;
    const outlast = <T>(work: () => Promise<T>): Promise<T> =>
      outlastRestarts(work, { containerd, clock, signal });
    const { facts, lease } = await outlast(async () => {
      await recorder.checkTags(job.names, digest, signal);
      const begin = (): Promise<string> => leases.begin(digest, { signal });
      return { facts: await readFacts(signal), lease: await this.#leaseLocks.run(digest, signal, begin) };
    });
    const touching = new AbortController();
    const touch = keepSources(job, this.#options, AbortSignal.any([signal, touching.signal]));
    try {
      const { target, config } = await importer.transfer(facts, {
        digest,
        lease,
        pool: job.pool,
        progress,
        signal,
        grant: () => job.exportGrant,
        maxBytes: () => job.maxBytes,
      });
      progress.phase = "recording";
      const names = await outlast(() => recorder.record(job.names, target, config.digest, signal));
      progress.phase = "verifying";
      const message = await outlast(() => recorder.invisible(job.names.given, config.digest, signal));
      await outlast(() => leases.release(digest, { signal, sync: false }));
      const { bytesTransferred, bytesReused } = progress.snapshot();
      return {
        digest,
        configDigest: config.digest,
        bytesTransferred,
        bytesReused,
        sources: job.pool.used,
        durationMs: Math.round(clock.monotonic() - started),
        visible: message === undefined,
        names,
        message: message ?? "",
      };
    } finally {
      touching.abort();
      await touch;
    }
  }

  async #cleanUp(job: ImportJob, error: ImportError): Promise<void> {
    const { leases, logger } = this.#options;
    const options = { signal: AbortSignal.timeout(RESUME_TTL_MS) };
    try {
      if (error.retryable) {
        await leases.keep(job.digest, options);
        return;
      }
      await leases.release(job.digest, { ...options, sync: true });
    } catch (cause) {
      // containerd is gone too: the sweep does it later
      logger.warn("could not clean up after an import", { digest: job.digest, error: cause });
    }
  }
}

function tooLarge({ digest, maxBytes }: ImportOrder, { bytesTotal }: ImportProgress): ImportError {
  return new ImportError(
    Code.ResourceExhausted,
    `image ${digest} has ${bytesTotal} bytes, more than max_bytes ${maxBytes}`,
    { retryable: false },
  );
}

function describe(outcome: ImportOutcome): string {
  if (outcome.ok) return "committed";
  if (outcome.error.code === Code.Canceled) return "cancelled";
  return outcome.error.retryable ? "retryable" : "failed";
}
