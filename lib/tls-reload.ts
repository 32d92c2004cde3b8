import type { Clock } from "./clock.ts";
import { describeError } from "./errors.ts";
import { checkTlsMaterial, loadTlsMaterial, readTlsFiles } from "./tls.ts";
import type { TlsFiles, TlsMaterial } from "./tls.ts";

/** How long between two looks at the files, in milliseconds. */
export const TLS_RELOAD_INTERVAL_MS = 10_000;

/** What a reloader works with. */
export interface TlsReloaderOptions {
  readonly files: TlsFiles;
  readonly clock: Clock;
  /** milliseconds between two looks, default {@link TLS_RELOAD_INTERVAL_MS} */
  readonly intervalMs?: number;
  /** the files hold a new, consistent set */
  readonly onChange: (material: TlsMaterial) => void;
  /** the files changed to something unusable, or `onChange` failed: said once per problem, the old set stays in use */
  readonly onError: (error: unknown) => void;
  /** reads the files, default `readTlsFiles` */
  readonly read?: (files: TlsFiles, signal: AbortSignal) => Promise<TlsMaterial>;
}

/**
 * Follows certificate files by their content. Watching them would not do: Kubernetes swaps a symbolic link above them.
 */
export class TlsReloader {
  readonly #options: TlsReloaderOptions;
  #current: TlsMaterial;
  #lastProblem = "";

  private constructor(options: TlsReloaderOptions, initial: TlsMaterial) {
    this.#options = options;
    this.#current = initial;
  }

  /**
   * Loads the files for the first time.
   * @throws TlsMaterialError when they cannot be used
   */
  static async open(options: TlsReloaderOptions, signal: AbortSignal): Promise<TlsReloader> {
    return new TlsReloader(options, await loadTlsMaterial(options.files, signal));
  }

  /** The newest usable set. */
  get current(): TlsMaterial {
    return this.#current;
  }

  /** Looks at the files again and again until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs = TLS_RELOAD_INTERVAL_MS } = this.#options;
    try {
      while (!signal.aborted) {
        await clock.sleep(intervalMs, signal);
        await this.poll(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Looks at the files once. Never throws but for `signal`. */
  async poll(signal: AbortSignal): Promise<void> {
    const { files, onChange, read = readTlsFiles } = this.#options;
    try {
      const seen = await read(files, signal);
      if (!isSame(seen, this.#current)) {
        checkTlsMaterial(seen, files);
        // a set read across a swap of the link may be half old: take it at the next look
        if (!isSame(seen, await read(files, signal))) return;
        onChange(seen);
        this.#current = seen;
      }
      this.#lastProblem = "";
    } catch (error) {
      signal.throwIfAborted();
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    const problem = describeError(error);
    if (problem === this.#lastProblem) return;
    this.#lastProblem = problem;
    this.#options.onError(error);
  }
}

function isSame(left: TlsMaterial, right: TlsMaterial): boolean {
  return left.cert === right.cert && left.key === right.key && left.ca === right.ca;
}
