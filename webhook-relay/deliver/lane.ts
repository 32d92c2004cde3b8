import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { LANE_AHEAD, LANE_IDLE_MS, LANE_UNWRITTEN_MAX, STORE_RETRY_MS } from "../limits.ts";
import type { RelayMetrics } from "../metrics.ts";
import type { Batch } from "../sinks/sink.ts";
import type { Lease } from "../store/lease-deliveries.ts";
import type { RelayStore } from "../store/store.ts";
import { isSameReceiver } from "../subscriptions/load.ts";
import type { ResolvedSubscription } from "../subscriptions/subscription.ts";
import { unreadable, type AttemptRunner } from "./attempt-runner.ts";
import { Bell } from "./bell.ts";
import { afterChange, afterProbeStart, afterSetBack, gateOf } from "./breaker.ts";
import { concludeAttempt } from "./conclude.ts";
import { LaneHealth } from "./lane-health.ts";
import { SinkHolder, type MakeSink } from "./sink-holder.ts";
import { TokenBucket } from "./token-bucket.ts";

/** What a lane works with. */
export interface LaneOptions {
  readonly store: RelayStore;
  readonly runner: AttemptRunner;
  readonly makeSink: MakeSink;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  readonly metrics: RelayMetrics;
  readonly logger: Logger;
  /** keeps secrets out of what is stored */
  readonly redact: (text: string) => string;
  /** see `ConcludeOptions` */
  readonly giveUp: AbortSignal;
}

/** What a lane has taken from the store. */
interface Taken {
  readonly leases: readonly Lease[];
  /** before its time, see `DecisionContext` */
  readonly isEarly: boolean;
}

/** Delivers what waits for one subscription. Lanes share nothing, so that none slows another. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #name: string;
  readonly #bell: Bell;
  readonly #health: LaneHealth;
  readonly #underWay = new Set<Promise<void>>();
  /** attempts of {@link #underWay} that have not come to their outcome; the others wait to be written down */
  #sending = 0;
  /** leases that were taken ahead, so that each takes only a share of a transaction */
  #ready: Lease[] = [];
  #resolved: ResolvedSubscription;
  #sinks: SinkHolder;
  #bucket: TokenBucket | undefined;
  #storeProblem = "";

  constructor(resolved: ResolvedSubscription, options: LaneOptions) {
    this.#options = options;
    this.#resolved = resolved;
    this.#name = resolved.subscription.name;
    this.#bell = new Bell(options.clock);
    this.#health = new LaneHealth(this.#name, options);
    this.#sinks = new SinkHolder(resolved, options.makeSink);
    this.#bucket = this.#makeBucket();
  }

  get resolved(): ResolvedSubscription {
    return this.#resolved;
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /** What decides which events share a message. */
  get sink(): SinkHolder["sink"] {
    return this.#sinks.sink;
  }

  /** There may be something to do. */
  wake(): void {
    this.#bell.ring();
  }

  /** The clock was set back by so many milliseconds. */
  clockSetBack(milliseconds: number): void {
    this.#health.set(afterSetBack(this.#health.current, milliseconds));
    this.wake();
  }

  /** Goes on with a changed subscription; attempts under way end as they began. See {@link afterChange}. */
  async replace(resolved: ResolvedSubscription): Promise<void> {
    const old = this.#sinks;
    const isSame = isSameReceiver(this.#resolved, resolved);
    this.#resolved = resolved;
    this.#sinks = new SinkHolder(resolved, this.#options.makeSink);
    this.#bucket = this.#makeBucket();
    try {
      const { current } = this.#health;
      if (current.disabledBy !== "operator") await this.#health.save(afterChange(current, isSame));
    } catch (error) {
      // it is in force all the same, and is written with the next attempt
      this.#options.logger.error("the health of a changed subscription cannot be written", { error });
    }
    this.wake();
    await old.retire();
  }

  /** Takes and delivers until `signal` fires; then waits for what is under way. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const waitMs = await this.#tryToFill(signal);
        await this.#bell.wait(Math.min(waitMs, LANE_IDLE_MS), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#giveBack();
      await Promise.all(this.#underWay);
      await this.#sinks.retire();
    }
  }

  /** {@link #fill}, also when the store cannot be read or written for a while. */
  async #tryToFill(signal: AbortSignal): Promise<number> {
    try {
      const waitMs = await this.#fill(signal);
      this.#storeProblem = "";
      return waitMs;
    } catch (error) {
      const problem = String(error);
      if (problem !== this.#storeProblem) {
        this.#options.logger.error("cannot take deliveries from the store, it is tried again", { error });
      }
      this.#storeProblem = problem;
      return STORE_RETRY_MS;
    }
  }

  /** Begins as many attempts as there may be. Answers how long nothing will change, in milliseconds. */
  async #fill(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const gate = gateOf(this.#health.current, clock.now());
      if (gate.kind !== "open") await this.#giveBack();
      if (gate.kind === "closed") return LANE_IDLE_MS;
      if (gate.kind === "until") return gate.at - clock.now();
      const isProbe = gate.kind === "probe";
      const free = isProbe ? 1 - this.#underWay.size : this.#freeSlots();
      // whoever ends rings the bell
      if (free <= 0) return LANE_IDLE_MS;
      const pauseMs = this.#sinks.sink.waitMs?.() ?? 0;
      if (pauseMs > 0) return pauseMs;
      const ahead = this.#ready.splice(0, free);
      for (const lease of ahead) this.#begin(lease, false);
      if (ahead.length > 0) continue;
      const allowed = this.#bucket?.take(free, clock.monotonic()) ?? free;
      if (allowed === 0) return this.#bucket?.waitMs(clock.monotonic()) ?? LANE_IDLE_MS;
      const limit = isProbe ? allowed : allowed + this.#lookAhead();
      const { leases, isEarly } = await this.#lease(limit, isProbe);
      this.#bucket?.giveBack(allowed - leases.length);
      if (leases.length === 0) return this.#untilNext();
      if (isProbe) this.#health.set(afterProbeStart(this.#health.current));
      this.#ready = leases.slice(allowed);
      for (const lease of leases.slice(0, allowed)) this.#begin(lease, isEarly);
    }
    return LANE_IDLE_MS;
  }

  async #lease(limit: number, isProbe: boolean): Promise<Taken> {
    const { store, clock } = this.#options;
    const { folding } = this.#sinks.sink;
    const lease = (): Promise<readonly Lease[]> =>
      store.lease({ subscription: this.#name, limit, folding, now: clock.now() });
    const due = await lease();
    // a receiver that was down is looked after, even when nothing is due for hours
    const isEarly = due.length === 0 && isProbe && (await store.hastenOne(this.#name, clock.now()));
    return { leases: isEarly ? await lease() : due, isEarly };
  }

  /** Leases to take beyond what can begin now: none where what is due may change until then. */
  #lookAhead(): number {
    const { folding, concurrency } = this.#sinks.sink;
    return folding.max > 1 || this.#bucket !== undefined ? 0 : LANE_AHEAD * concurrency;
  }

  /** Leases that were taken ahead must wait after all. */
  async #giveBack(): Promise<void> {
    const unused = this.#ready.splice(0);
    if (unused.length === 0) return;
    try {
      await this.#options.store.unlease(unused);
    } catch (error) {
      this.#ready.push(...unused);
      this.#options.logger.error("cannot give deliveries back to the store", { error });
    }
  }

  #freeSlots(): number {
    return Math.min(this.#sinks.sink.concurrency - this.#sending, LANE_UNWRITTEN_MAX - this.#underWay.size);
  }

  #untilNext(): number {
    const due = this.#options.store.nextDue(this.#name);
    return due === undefined ? LANE_IDLE_MS : Math.max(1, due - this.#options.clock.now());
  }

  #begin(lease: Lease, isEarly: boolean): void {
    const attempt = this.#attempt(lease, isEarly).finally(() => {
      this.#underWay.delete(attempt);
      this.wake();
    });
    this.#underWay.add(attempt);
  }

  async #attempt(lease: Lease, isEarly: boolean): Promise<void> {
    const { clock, runner } = this.#options;
    const holder = this.#sinks;
    holder.begin();
    this.#sending += 1;
    let isSending = true;
    const sent = (): void => {
      if (isSending) this.#sending -= 1;
      isSending = false;
      this.wake();
    };
    try {
      const startedAt = clock.now();
      const batch = this.#read(lease, holder.sink.folding.load);
      const attempt = {
        number: lease.attempts + 1,
        startedAt,
        isReplay: lease.isReplay,
        mayHaveArrived: lease.mayHaveArrived,
      };
      const finished =
        batch instanceof Error ? unreadable(batch) : await runner.run(holder.sink, batch, attempt);
      const firstTime = batch instanceof Error ? undefined : Date.parse(batch.firstTime);
      const policy = this.#resolved.subscription.retry;
      const context = { lease, firstTime, startedAt, policy, isEarly };
      const conclusion = concludeAttempt(finished, context, this.#health, this.#options);
      // the outcome counts from here on, whether it is on disk or not
      sent();
      await conclusion;
    } catch (error) {
      // the store is gone or the time is over: the delivery is given back at the next start
      this.#options.logger.error("an attempt was not concluded", { delivery: lease.deliveryId, error });
    } finally {
      sent();
      await holder.end();
    }
  }

  /** What the lease is about, or why it cannot be read. */
  #read(lease: Lease, load: number): Batch | Error {
    try {
      return this.#options.store.batch(lease, load);
    } catch (error) {
      this.#options.logger.error("a delivery cannot be read", { delivery: lease.deliveryId, error });
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #makeBucket(): TokenBucket | undefined {
    const { rateLimit } = this.#resolved.subscription;
    return rateLimit === undefined ? undefined : new TokenBucket(rateLimit, this.#options.clock.monotonic());
  }
}
