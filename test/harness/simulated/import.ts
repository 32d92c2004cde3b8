import { setTimeout as sleep } from "node:timers/promises";

import { Code, ConnectError } from "@connectrpc/connect";

import { orAbort } from "../../../lib/abort.ts";
import { ImportFailureSchema } from "../../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { SimulatedImage } from "./image.ts";

/** How an import is paced. */
export interface Pace {
  /** milliseconds that a transfer takes */
  readonly durationMs: number;
  /** settles when transfers may go past the middle; undefined: they may */
  gate(digest: string): Promise<void> | undefined;
}

/** A node as an import reads from it. */
export interface ReadableNode {
  readonly node: string;
  /** the image, while its agent can serve it */
  serve(digest: string): SimulatedImage | undefined;
}

/** What an import works with. */
export interface SimulatedImportOptions {
  readonly digest: string;
  /** best first */
  readonly sources: readonly ReadableNode[];
  readonly pace: Pace;
  /** bytes of an earlier try */
  readonly resumedBytes: number;
}

/** Steps that a transfer is made in; a source that dies is noticed at the next. */
const STEPS = 10;
/** Longest pause between two progress messages, in milliseconds: as agents tell of them. */
const PROGRESS_MS = 500;

/** One import under way. It goes on when its callers leave. */
export class SimulatedImport {
  readonly #options: SimulatedImportOptions;
  readonly #stopped = new AbortController();
  readonly #used = new Set<string>();
  #received: number;
  #total = 0;
  /** settles with the image that has come */
  readonly done: Promise<SimulatedImage>;

  constructor(options: SimulatedImportOptions) {
    this.#options = options;
    this.#received = options.resumedBytes;
    this.done = this.#run();
    // whoever listens hears of it; nobody has to
    this.done.catch(() => undefined);
  }

  /** bytes, those of earlier tries included */
  get received(): number {
    return this.#received;
  }

  /** bytes, 0 until a source was found */
  get total(): number {
    return this.#total;
  }

  /** nodes that bytes came from */
  get used(): readonly string[] {
    return [...this.#used];
  }

  /** Ends it: its callers get this code. */
  stop(code: Code, message: string): void {
    this.#stopped.abort(failure(code, message, code !== Code.Canceled, []));
  }

  async #run(): Promise<SimulatedImage> {
    const { digest, sources } = this.#options;
    const failed: { readonly node: string; readonly message: string }[] = [];
    for (const source of sources) {
      const image = source.serve(digest);
      if (image === undefined) {
        failed.push({ node: source.node, message: `${source.node} cannot be reached` });
        continue;
      }
      this.#total = image.bytes;
      if (await this.#read(source, image)) return image;
      failed.push({ node: source.node, message: `${source.node} was lost after ${this.#received} bytes` });
    }
    throw failure(Code.Unavailable, `no source serves ${digest}`, true, failed);
  }

  /** Reads until all is there; false when the source was lost. */
  async #read(source: ReadableNode, image: SimulatedImage): Promise<boolean> {
    const { digest, pace } = this.#options;
    const { signal } = this.#stopped;
    while (this.#received < image.bytes) {
      await orAbort(sleep(pace.durationMs / STEPS), signal);
      if (source.serve(digest) === undefined) return false;
      this.#used.add(source.node);
      this.#received = Math.min(image.bytes, this.#received + Math.ceil(image.bytes / STEPS));
      while (this.#received >= image.bytes / 2) {
        const gate = pace.gate(digest);
        if (gate === undefined) break;
        await orAbort(Promise.race([gate, sleep(PROGRESS_MS / 10)]), signal);
        if (source.serve(digest) === undefined) return false;
      }
    }
    return true;
  }

  /** Tells how far it is now and then, until it has ended. */
  async *progress(
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly total: number; readonly received: number }> {
    const ended = new AbortController();
    const settled = this.done.then(
      () => ended.abort(),
      () => ended.abort(),
    );
    while (!ended.signal.aborted) {
      yield { total: this.#total, received: this.#received };
      const pause = new AbortController();
      const waiting = sleep(Math.min(PROGRESS_MS, this.#options.pace.durationMs / 2), undefined, {
        signal: pause.signal,
      }).catch(() => undefined);
      await orAbort(Promise.race([settled, waiting]), signal);
      pause.abort();
    }
  }
}

function failure(
  code: Code,
  message: string,
  retryable: boolean,
  sources: readonly { readonly node: string; readonly message: string }[],
): ConnectError {
  const details = sources.map((source) => ({
    source: { node: source.node, endpoint: "" },
    message: source.message,
  }));
  return new ConnectError(message, code, undefined, [
    { desc: ImportFailureSchema, value: { retryable, bytesResumable: 0n, sources: details } },
  ]);
}
