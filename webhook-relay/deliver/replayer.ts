import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { REPLAY_IDLE_MS, REPLAY_STEP_MAX, STORE_RETRY_MS } from "../limits.ts";
import type { RelayStore } from "../store/store.ts";
import { Bell } from "./bell.ts";

/** What a replayer works with. */
export interface ReplayerOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** there is something to do for these subscriptions */
  readonly wake: (subscriptions: readonly string[]) => void;
}

/**
 * Takes running replays forward, a second's worth at a time, so that a replay never floods a receiver. How far each is
 * stands in the store: after a restart it goes on from there.
 */
export class Replayer {
  readonly #options: ReplayerOptions;
  readonly #bell: Bell;
  /** parts of a delivery that a slow replay has saved up */
  readonly #credit = new Map<number, number>();

  constructor(options: ReplayerOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** There is a new replay. */
  wake(): void {
    this.#bell.ring();
  }

  /** Works until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const waitMs = await this.#step();
        await this.#bell.wait(waitMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** One second's worth of every running replay. */
  async #step(): Promise<number> {
    const { store, clock, logger, wake } = this.#options;
    try {
      const running = store.runningReplays();
      for (const { id, perSecond } of running) {
        const credit = (this.#credit.get(id) ?? 0) + perSecond;
        const count = Math.min(Math.floor(credit), REPLAY_STEP_MAX);
        this.#credit.set(id, Math.min(credit - count, REPLAY_STEP_MAX));
        if (count === 0) continue;
        const step = await store.stepReplay(id, count, clock.now());
        if (step === undefined) continue;
        wake(step.subscriptions);
        if (step.replay.state !== "done") continue;
        this.#credit.delete(id);
        logger.info("replay is done", { replay: id, deliveries: step.replay.replayed });
      }
      return running.length === 0 ? REPLAY_IDLE_MS : 1000;
    } catch (error) {
      logger.error("a replay cannot go on, it is tried again", { error });
      return STORE_RETRY_MS;
    }
  }
}
