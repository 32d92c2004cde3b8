import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { RelayEvent } from "../event/event.ts";
import { UNWRITTEN_GRACE_MS } from "../limits.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { PlannedDelivery } from "../store/accept-events.ts";
import type { RelayStore } from "../store/store.ts";
import { isSameSubscription } from "../subscriptions/load.ts";
import { mismatch } from "../subscriptions/match.ts";
import type { ResolvedSubscription } from "../subscriptions/subscription.ts";
import { AttemptRunner } from "./attempt-runner.ts";
import { Lane } from "./lane.ts";
import type { MakeSink } from "./sink-holder.ts";

/** What a dispatcher works with. */
export interface DispatcherOptions {
  readonly store: RelayStore;
  readonly makeSink: MakeSink;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  /** keeps secrets out of what is stored */
  readonly redact: (text: string) => string;
}

interface RunningLane {
  readonly lane: Lane;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Runs one lane per subscription, and knows which subscriptions want an event. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #runner: AttemptRunner;
  readonly #giveUp = new AbortController();
  #lanes: ReadonlyMap<string, RunningLane> = new Map();
  /** lanes of subscriptions that are gone, until their last attempt has ended */
  readonly #leaving = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#runner = new AttemptRunner(options.clock);
  }

  /** Lanes in the order of the configuration. */
  get lanes(): readonly Lane[] {
    return [...this.#lanes.values()].map(({ lane }) => lane);
  }

  lane(name: string): Lane | undefined {
    return this.#lanes.get(name)?.lane;
  }

  /** Takes over a configuration: lanes that are the same go on as if nothing had happened. */
  async apply(subscriptions: readonly ResolvedSubscription[]): Promise<void> {
    if (this.#isStopped) return;
    const before = this.#lanes;
    const next = new Map<string, RunningLane>();
    const replaced: Promise<void>[] = [];
    for (const resolved of subscriptions) {
      const { name } = resolved.subscription;
      const known = before.get(name);
      next.set(name, known ?? this.#start(resolved));
      if (known !== undefined && !isSameSubscription(known.lane.resolved, resolved)) {
        replaced.push(known.lane.replace(resolved));
      }
    }
    this.#lanes = next;
    this.#options.metrics.subscriptions([...next.keys()]);
    for (const [name, { stop, ended }] of before) {
      if (next.has(name)) continue;
      stop.abort();
      this.#leaving.add(ended);
      void ended.finally(() => this.#leaving.delete(ended));
    }
    await Promise.all(replaced);
  }

  /** Where an event must go. */
  plan(event: RelayEvent): readonly PlannedDelivery[] {
    return this.lanes
      .filter(({ resolved }) => mismatch(resolved.subscription.filter, event) === "")
      .map((lane) => this.planFor(lane, event));
  }

  /** How an event goes to one subscription, whether it wants it or not. */
  planFor({ resolved, sink }: Lane, event: RelayEvent): PlannedDelivery {
    const group = sink.groupOf(event);
    return {
      subscription: resolved.subscription.name,
      groupKey: group?.key,
      intervalMs: group?.intervalMs ?? 0,
    };
  }

  /** There is something to do for these subscriptions. */
  wake(names: Iterable<string>): void {
    for (const name of names) this.#lanes.get(name)?.lane.wake();
  }

  /**
   * Takes nothing new and waits for what is under way; what is not done in time is told to end and given back. What cannot
   * be written even then is given up, so that a full disk does not keep the process.
   */
  async stop(graceMs: number): Promise<void> {
    const { logger } = this.#options;
    this.#isStopped = true;
    const running = [...this.#lanes.values()];
    for (const { stop } of running) stop.abort();
    const ended = Promise.all([...running.map((lane) => lane.ended), ...this.#leaving]);
    if (await this.#endsWithin(graceMs, ended)) return;
    logger.warn("attempts are still under way, they are told to end and will be made again");
    this.#runner.stop();
    if (await this.#endsWithin(UNWRITTEN_GRACE_MS, ended)) return;
    logger.error("ends of attempts cannot be written, they are given up: the next relay makes them again");
    this.#giveUp.abort();
    await ended;
  }

  async #endsWithin(milliseconds: number, ended: Promise<unknown>): Promise<boolean> {
    const timer = new AbortController();
    const over = this.#options.clock.sleep(milliseconds, timer.signal).then(
      () => false,
      () => true,
    );
    const inTime = await Promise.race([ended.then(() => true), over]);
    timer.abort();
    return inTime;
  }

  #start(resolved: ResolvedSubscription): RunningLane {
    const { name } = resolved.subscription;
    const logger = this.#options.logger.child("lane", { subscription: name });
    const lane = new Lane(resolved, {
      ...this.#options,
      runner: this.#runner,
      giveUp: this.#giveUp.signal,
      logger,
    });
    const stop = new AbortController();
    const ended = lane.run(stop.signal).catch((error: unknown) => {
      logger.error("a lane ended by a mistake of the relay, its deliveries wait for a restart", { error });
    });
    return { lane, stop, ended };
  }
}
