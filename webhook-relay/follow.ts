import type { Clock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";

/** What files hold now. */
export interface Loaded<T> {
  /** differs when the contents do */
  readonly fingerprint: string;
  readonly value: T;
}

/** What a follower works with. */
export interface FollowerOptions<T> {
  /** reads and checks everything; throws when it cannot be used */
  readonly load: (signal: AbortSignal) => Promise<Loaded<T>>;
  readonly clock: Clock;
  /** milliseconds between two looks */
  readonly intervalMs: number;
  /** there are new, good contents */
  readonly onChange: (value: T) => void;
  /** the contents cannot be used, the old ones stay: said once per problem */
  readonly onError: (error: unknown) => void;
  /** the contents are good again after a problem, new or not */
  readonly onGood: () => void;
}

/**
 * Follows files by their content. Watching them would not do: Kubernetes swaps a symbolic link above them, and some file
 * systems tell nobody.
 */
export class Follower<T> {
  readonly #options: FollowerOptions<T>;
  #current: Loaded<T>;
  #problem = "";

  private constructor(options: FollowerOptions<T>, initial: Loaded<T>) {
    this.#options = options;
    this.#current = initial;
  }

  /** Loads for the first time; what `load` throws comes through. */
  static async open<T>(options: FollowerOptions<T>, signal: AbortSignal): Promise<Follower<T>> {
    return new Follower(options, await options.load(signal));
  }

  /** The newest good contents. */
  get current(): T {
    return this.#current.value;
  }

  /** What is wrong with the files now; "" when nothing is. */
  get problem(): string {
    return this.#problem;
  }

  /** Looks again and again until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    try {
      while (!signal.aborted) {
        await clock.sleep(intervalMs, signal);
        await this.poll(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Looks once. Never throws but for `signal`. */
  async poll(signal: AbortSignal): Promise<void> {
    const { load, onChange, onGood } = this.#options;
    try {
      const seen = await load(signal);
      if (seen.fingerprint !== this.#current.fingerprint) {
        // what is read across a swap of files may be half old: take it at the next look
        const again = await load(signal);
        if (again.fingerprint !== seen.fingerprint) return;
        onChange(seen.value);
        this.#current = seen;
      }
      if (this.#problem !== "") onGood();
      this.#problem = "";
    } catch (error) {
      signal.throwIfAborted();
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    const problem = describeError(error);
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#options.onError(error);
  }
}
