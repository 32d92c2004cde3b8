import { orAbort } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Agent } from "./agent.ts";
import type { AgentConfig } from "./config.ts";
import type { Containerd } from "./containerd/types.ts";
import { RESUME_TTL_MS, SWEEP_INTERVAL_MS } from "./limits.ts";

/** How often containerd is asked whether it is there, in milliseconds. */
const CHECK_INTERVAL_MS = 2_000;

/** What an agent does besides answering: follows containerd's health, and removes leases that nobody resumed. */
export class Housekeeper {
  readonly #agent: Agent;
  readonly #containerd: Containerd;
  readonly #config: AgentConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isUp = false;

  constructor(options: {
    readonly agent: Agent;
    readonly containerd: Containerd;
    readonly config: AgentConfig;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#agent = options.agent;
    this.#containerd = options.containerd;
    this.#config = options.config;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Goes on until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#followContainerd(signal), this.#removeLeases(signal)]);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #followContainerd(signal: AbortSignal): Promise<void> {
    const { readiness, metrics } = this.#agent;
    const { containerdSocket } = this.#config;
    for (;;) {
      const isUp = await orAbort(this.#containerd.isAvailable(signal), signal);
      metrics.containerdUp(isUp);
      if (isUp !== this.#isUp) {
        this.#isUp = isUp;
        if (isUp) this.#logger.info("containerd answers", { socket: containerdSocket });
        else this.#logger.error("containerd does not answer", { socket: containerdSocket });
      }
      if (isUp) readiness.setReady();
      else readiness.setNotReady(`containerd does not answer at ${containerdSocket}`);
      await this.#clock.sleep(CHECK_INTERVAL_MS, signal);
    }
  }

  /**
   * Right away what an agent before this one left of exports; after the grace time what it left of imports, not what
   * imports of this one keep for a next try: that lives for its hour.
   */
  async #removeLeases(signal: AbortSignal): Promise<void> {
    const startedAt = this.#clock.now();
    await this.#retry(signal, () => this.#agent.sessions.removeStale(startedAt, signal));
    await this.#clock.sleep(this.#config.orphanGraceMs, signal);
    await this.#retry(signal, () => this.#agent.imports.sweep(startedAt, signal));
    for (;;) {
      await this.#clock.sleep(SWEEP_INTERVAL_MS, signal);
      await this.#retry(signal, () => this.#agent.imports.sweep(this.#clock.now() - RESUME_TTL_MS, signal));
    }
  }

  async #retry(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (this.#isUp) this.#logger.warn("could not look after leases, trying again", { error });
        await this.#clock.sleep(CHECK_INTERVAL_MS, signal);
      }
    }
  }
}
