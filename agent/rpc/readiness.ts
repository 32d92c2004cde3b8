/** Whether the agent can serve. */
export interface ReadinessState {
  readonly ready: boolean;
  /** why not, for people; empty when ready */
  readonly reason: string;
}

/** The agent's one answer to "can you serve?", which health checks and probes read and follow. */
export class Readiness {
  #state: ReadinessState;
  readonly #listeners = new Set<() => void>();

  /** @param reason why it is not ready yet */
  constructor(reason: string) {
    this.#state = { ready: false, reason };
  }

  get state(): ReadinessState {
    return this.#state;
  }

  /** Loops over `watch` that run now. */
  get watchers(): number {
    return this.#listeners.size;
  }

  setReady(): void {
    this.#set({ ready: true, reason: "" });
  }

  /** @param reason what is missing, e.g. "containerd does not answer" */
  setNotReady(reason: string): void {
    this.#set({ ready: false, reason });
  }

  /**
   * Yields the state now and after every change, until `signal` aborts. Whoever reads slowly gets the latest state, not
   * every one.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<ReadinessState, void, undefined> {
    let seen: ReadinessState | undefined;
    let wake: (() => void) | undefined;
    const notify = (): void => wake?.();
    this.#listeners.add(notify);
    signal.addEventListener("abort", notify);
    try {
      while (!signal.aborted) {
        if (seen !== this.#state) {
          seen = this.#state;
          yield seen;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#listeners.delete(notify);
      signal.removeEventListener("abort", notify);
    }
  }

  #set(state: ReadinessState): void {
    if (state.ready === this.#state.ready && state.reason === this.#state.reason) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
