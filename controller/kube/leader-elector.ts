import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { isAlreadyExists, isConflict, isNotFound } from "./api-error.ts";
import type { KubeApi } from "./kube-api.ts";
import { NotLeadingError, RunningTerm, type LeaderTerm } from "./leader-term.ts";
import { releasedLease, renewedLease, takenLease, type LeaseSpec } from "./lease-record.ts";
import { LEASE_DURATION_MS, RENEW_DEADLINE_MS, RETRY_PERIOD_MS } from "./limits.ts";
import type { Lease } from "./objects.ts";
import { LEASES } from "./resources.ts";

/** What an elector works with. Times in milliseconds. */
export interface LeaderElectorOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** of the Lease */
  readonly name: string;
  /** differs between any two processes, e.g. pod name and a random part */
  readonly identity: string;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
  /** how long others leave the lease alone that is not renewed, default 15 s */
  readonly leaseDurationMs?: number;
  /** how long a leader tries to renew before it stops leading, default 10 s */
  readonly renewDeadlineMs?: number;
  /** pause between two tries, default 2 s */
  readonly retryPeriodMs?: number;
}

/** Factor of the longest pause between two tries; jitter keeps candidates apart. */
const JITTER = 1.2;

/**
 * Leader election with a Lease, by the rules of client-go's leaderelection: expiry is measured by this machine's
 * monotonic clock from when the lease was last seen to change, never by the times in it; every write carries the
 * resourceVersion, so that of two candidates one wins; a leader that cannot renew stops well before others may take over.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  /** the lease as it was seen last, and when it was first seen so (monotonic) */
  #seen: { readonly version: string; readonly holder: string; readonly at: number } | undefined;
  /** the largest number of a term seen so far */
  #lastTransition = 0;
  #term: RunningTerm | undefined;
  #problem = "";

  /** @throws RangeError unless lease duration > renew deadline > 1.2 x retry period */
  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#leaseDurationMs = options.leaseDurationMs ?? LEASE_DURATION_MS;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? RENEW_DEADLINE_MS;
    this.#retryPeriodMs = options.retryPeriodMs ?? RETRY_PERIOD_MS;
    if (this.#leaseDurationMs <= this.#renewDeadlineMs) {
      throw new RangeError(
        `lease duration ${this.#leaseDurationMs} ms must exceed the renew deadline ${this.#renewDeadlineMs} ms`,
      );
    }
    if (this.#renewDeadlineMs <= this.#retryPeriodMs * JITTER) {
      throw new RangeError(
        `renew deadline ${this.#renewDeadlineMs} ms must exceed ${JITTER} x the retry period ${this.#retryPeriodMs} ms`,
      );
    }
  }

  /** The term under way, if this process leads. */
  get term(): LeaderTerm | undefined {
    return this.#term;
  }

  /** Who holds the lease as far as is known, "" for nobody. */
  get holder(): string {
    return this.#seen?.holder ?? "";
  }

  /**
   * Stands for election again and again until `signal` fires; then, once `lead` has ended, gives the lease back.
   * @param lead what a leader does. It must end soon after the signal of its term, and may end before; either way the
   * lease is given back or has been lost, and the election begins anew.
   * @throws what `lead` throws while its term lasts
   */
  async run(lead: (term: LeaderTerm) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const held = await this.#acquire(signal);
      if (held === undefined) return;
      await this.#serve(held, lead, signal);
    }
  }

  async #acquire(signal: AbortSignal): Promise<HeldLease | undefined> {
    const { clock, random } = this.#options;
    while (!signal.aborted) {
      try {
        const held = await this.#tryToTake(signal);
        if (held !== undefined) return held;
        await clock.sleep(this.#retryPeriodMs * (1 + random() * JITTER), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
    return undefined;
  }

  async #serve(
    first: HeldLease,
    lead: (term: LeaderTerm) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, logger } = this.#options;
    const epoch = first.spec.leaseTransitions;
    const term = new RunningTerm({ epoch, clock, until: first.sentAt + this.#renewDeadlineMs });
    const onAbort = (): void => term.end(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#term = term;
    logger.info("leading", { epoch });
    const stopRenewing = new AbortController();
    const renewing = this.#renew(first, term, stopRenewing.signal);
    try {
      await lead(term);
    } catch (error) {
      // an end by the term's own signal is what was asked for
      if (!term.signal.aborted) throw error;
    } finally {
      stopRenewing.abort();
      signal.removeEventListener("abort", onAbort);
      const last = await renewing;
      const isLost = term.signal.reason instanceof NotLeadingError;
      term.end(new NotLeadingError("the term is over"));
      this.#term = undefined;
      logger.info("not leading any more", { epoch });
      if (!isLost) await this.#release(last);
    }
  }

  /** Renews until told to stop, also while `lead` winds up after a shutdown; then returns the lease as it is. */
  async #renew(first: HeldLease, term: RunningTerm, stop: AbortSignal): Promise<HeldLease> {
    const { clock } = this.#options;
    let held = first;
    while (!stop.aborted) {
      try {
        await clock.sleep(Math.min(this.#retryPeriodMs, Math.max(0, term.leftMs)), stop);
        if (term.leftMs <= 0) throw new NotLeadingError("the lease could not be renewed in time");
        held = await this.#renewOnce(held, term.leftMs, stop);
        term.renewed(held.sentAt + this.#renewDeadlineMs);
        this.#works();
      } catch (error) {
        if (stop.aborted) break;
        if (error instanceof NotLeadingError) {
          this.#fails(error);
          term.end(error);
          break;
        }
        this.#fails(error);
      }
    }
    return held;
  }

  async #renewOnce(held: HeldLease, timeoutMs: number, signal: AbortSignal): Promise<HeldLease> {
    try {
      return await this.#write(held.lease, renewedLease(held.spec, this.#options.clock.now()), {
        signal,
        timeoutMs,
      });
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
      // an answer that got lost may have been a yes, or somebody may have set a label
      const lease = await this.#read({ signal, timeoutMs });
      if (lease?.spec?.holderIdentity !== this.#options.identity) {
        throw new NotLeadingError("the lease was taken or deleted by another", { cause: error });
      }
      return await this.#write(lease, renewedLease(held.spec, this.#options.clock.now()), {
        signal,
        timeoutMs,
      });
    }
  }

  /** Takes the lease when it is free. Failures count as "not now". */
  async #tryToTake(signal: AbortSignal): Promise<HeldLease | undefined> {
    const { clock, identity } = this.#options;
    const call = { signal, timeoutMs: this.#renewDeadlineMs };
    try {
      const lease = await this.#read(call);
      if (lease !== undefined && !this.#isFree(lease)) {
        this.#works();
        return undefined;
      }
      const spec = takenLease(lease, {
        identity,
        leaseDurationMs: this.#leaseDurationMs,
        now: clock.now(),
        lastTransition: this.#lastTransition,
      });
      const held = await this.#write(lease, spec, call);
      this.#works();
      return held;
    } catch (error) {
      signal.throwIfAborted();
      // another candidate was faster
      if (!isConflict(error) && !isAlreadyExists(error)) this.#fails(error);
      return undefined;
    }
  }

  #isFree(lease: Lease): boolean {
    const holder = lease.spec?.holderIdentity ?? "";
    const version = lease.metadata.resourceVersion ?? "";
    const now = this.#options.clock.monotonic();
    if (this.#seen === undefined || this.#seen.version !== version) this.#seen = { version, holder, at: now };
    const isOurs = holder === this.#options.identity;
    // by the holder's word how long it may be silent, not by ours
    const duration = Math.max(this.#leaseDurationMs, (lease.spec?.leaseDurationSeconds ?? 0) * 1000);
    return holder === "" || isOurs || now - this.#seen.at >= duration;
  }

  async #read(call: {
    readonly signal: AbortSignal;
    readonly timeoutMs: number;
  }): Promise<Lease | undefined> {
    const { api, namespace, name } = this.#options;
    try {
      const lease = await api.get(LEASES, { namespace, name }, call);
      this.#lastTransition = Math.max(this.#lastTransition, lease.spec?.leaseTransitions ?? 0);
      return lease;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #write(
    lease: Lease | undefined,
    spec: LeaseSpec,
    call: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<HeldLease> {
    const { api, namespace, name, clock } = this.#options;
    // the lease holds from when it was asked for, not from when the answer came
    const sentAt = clock.monotonic();
    const written =
      lease === undefined
        ? await api.create(LEASES, { metadata: { namespace, name }, spec }, call)
        : await api.replace(LEASES, { ...lease, spec: { ...lease.spec, ...spec } }, call);
    this.#lastTransition = spec.leaseTransitions;
    const version = written.metadata.resourceVersion ?? "";
    this.#seen = { version, holder: spec.holderIdentity, at: sentAt };
    return { lease: written, spec, sentAt };
  }

  /** Tells others that they need not wait. Not a must: the lease expires by itself. */
  async #release(held: HeldLease): Promise<void> {
    const { clock, logger } = this.#options;
    const call = { signal: new AbortController().signal, timeoutMs: this.#retryPeriodMs };
    try {
      await this.#write(held.lease, releasedLease(held.spec, clock.now()), call);
    } catch (error) {
      logger.warn("lease not given back, it will expire", { error });
    }
  }

  #works(): void {
    this.#problem = "";
  }

  #fails(error: unknown): void {
    const problem = String(error);
    if (problem !== this.#problem) this.#options.logger.warn("leader election fails", { error });
    this.#problem = problem;
  }
}

/** The lease as this process wrote it last. */
interface HeldLease {
  readonly lease: Lease;
  readonly spec: LeaseSpec;
  /** monotonic milliseconds */
  readonly sentAt: number;
}
