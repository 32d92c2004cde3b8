import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Registry } from "prom-client";

import type { Clock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { randomOf } from "../../test/relay/kill-cases.ts";
import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import { BREAKER_FAILURES, REJECTED_MAX_ATTEMPTS } from "../limits.ts";
import { createRelayMetrics } from "../metrics.ts";
import type { Outcome } from "../sinks/sink.ts";
import type { Lease } from "../store/lease-deliveries.ts";
import { openStore } from "../store/sqlite-store.ts";
import type { RelayStore } from "../store/store.ts";
import { anyOutcome, MOODS, type Mood } from "./any-outcome.ts";
import { afterEnable, afterProbeStart, gateOf } from "../deliver/breaker.ts";
import { concludeAttempt } from "../deliver/conclude.ts";
import { LaneHealth } from "../deliver/lane-health.ts";

const POLICY = { scheduleMs: [0, 5_000, 30_000, 120_000], maxAgeMs: 3_600_000 };
const SINGLE = { max: 1, load: 1, grows: false, overflowAfter: undefined };

/** What must be true of a delivery, kept apart from how the store does it. */
interface Expected {
  state: "pending" | "delivering" | "delivered" | "dead";
  /** a lease that was handed out and counts */
  lease: Lease | undefined;
  attempts: number;
  /** of them since it was last asked for, those that cost something, and those that were refused */
  spent: number;
  rejections: number;
  /** not before */
  notBefore: number;
}

/** The end of an attempt, whenever it is. */
const ENDED = {
  state: "delivered",
  spent: 9,
  rejections: 9,
  mayHaveArrived: false,
  reason: "",
  message: "",
  attempt: { startedAt: 0, durationMs: 1, outcome: "", status: 200, excerpt: "", retryAfterMs: undefined },
  sinkState: [],
  health: undefined,
} as const;

/** A store, a subscription and a model of both, which do the same things in an order that the seed decides. */
export class ModelRun {
  readonly #directory = mkdtempSync(join(tmpdir(), "relay-model-"));
  readonly #random: () => number;
  readonly #expected = new Map<number, Expected>();
  readonly #stale: Lease[] = [];
  #now = Date.parse("2026-01-31T12:00:00Z");
  /** failures in a row that count for the breaker, and until when the receiver wants to be left alone */
  #failures = 0;
  #askedUntil = 0;
  #isOff = false;
  #store: RelayStore;
  #health: LaneHealth;

  readonly #mood: Mood;
  /** how often each thing was seen that this is about */
  readonly seen = { probes: 0, pauses: 0, dead: 0, crashes: 0 };

  constructor(seed: number) {
    this.#mood = MOODS[seed % MOODS.length] ?? "fair";
    this.#random = randomOf(seed);
    [this.#store, this.#health] = this.#open();
  }

  get #clock(): Clock {
    return { now: () => this.#now, monotonic: () => this.#now, sleep: () => Promise.resolve() };
  }

  #open(): [RelayStore, LaneHealth] {
    const { store } = openStore({
      directory: this.#directory,
      clock: this.#clock,
      parseEvent: readStoredEvent,
    });
    const options = { store, clock: this.#clock, metrics: this.#metrics(store), logger: silentLogger };
    return [store, new LaneHealth("one", options)];
  }

  #metrics(store: RelayStore): ReturnType<typeof createRelayMetrics> {
    return createRelayMetrics({
      registry: new Registry(),
      counts: () => store.counts(),
      size: () => store.size(),
      now: () => this.#now,
    });
  }

  /** Does one thing more, and holds all deliveries against the model. */
  async step(): Promise<void> {
    const what = this.#random();
    if (what < 0.12) await this.#accept();
    else if (what < 0.35) await this.#lease(1 + Math.floor(this.#random() * 4));
    else if (what < 0.7) await this.#end();
    else if (what < 0.88) this.#now += Math.floor(this.#random() * 120_000);
    else if (what < 0.93) await this.#again();
    else if (what < 0.94) await this.#enable();
    else if (what < 0.98) await this.#endStale();
    else this.#crash();
    this.#check();
  }

  async #accept(): Promise<void> {
    const event = testEvent({ id: `e${this.#expected.size}` });
    const body = JSON.stringify(event);
    const digest = createHash("sha256").update(body).digest();
    const deliveries = [{ subscription: "one", groupKey: undefined, intervalMs: 0 }];
    const [accepted] = await this.#store.accept([{ event, body, digest, deliveries }], this.#now);
    const [id = 0] = accepted?.deliveryIds ?? [];
    const fresh = { attempts: 0, spent: 0, rejections: 0, notBefore: this.#now, lease: undefined };
    this.#expected.set(id, { state: "pending", ...fresh });
  }

  async #lease(limit: number): Promise<void> {
    const gate = gateOf(this.#health.current, this.#now);
    if (gate.kind === "until") this.seen.pauses += 1;
    if (gate.kind === "closed" || gate.kind === "until") return;
    assert.ok(!this.#isOff, "nothing goes to a receiver that was switched off");
    assert.ok(this.#now >= this.#askedUntil, "nothing goes while the receiver wants to be left alone");
    if (gate.kind === "open") {
      assert.ok(this.#failures < BREAKER_FAILURES, "nothing but a probe goes after so many failures");
    } else {
      if ([...this.#expected.values()].some(({ state }) => state === "delivering")) return;
      this.#health.set(afterProbeStart(this.#health.current));
      this.seen.probes += 1;
    }
    const most = gate.kind === "probe" ? 1 : limit;
    const request = { subscription: "one", limit: most, folding: SINGLE, now: this.#now };
    const leases = await this.#store.lease(request);
    const due = [...this.#expected].filter(
      ([, one]) => one.state === "pending" && one.notBefore <= this.#now,
    );
    assert.ok(leases.length <= due.length && leases.length <= most);
    for (const lease of leases) {
      const one = this.#of(lease.deliveryId);
      assert.equal(one.state, "pending", "whoever is under way or done is not taken");
      assert.ok(one.notBefore <= this.#now, "nothing is taken before its time");
      assert.deepEqual(
        [lease.attempts, lease.spent, lease.rejections],
        [one.attempts, one.spent, one.rejections],
      );
      Object.assign(one, { state: "delivering", lease });
    }
  }

  /** @param outcome default: any */
  async #end(outcome = anyOutcome(this.#random, this.#mood)): Promise<void> {
    const one = [...this.#expected.values()].find(({ lease }) => lease !== undefined);
    if (one?.lease === undefined) return;
    const { lease } = one;
    const wasDown = this.#isDown;
    await this.#conclude(lease, outcome);
    this.#stale.push(lease);
    const costs = outcome.kind === "retry" ? outcome.costsAttempt : outcome.kind !== "delivered";
    one.lease = undefined;
    one.attempts += 1;
    const asked = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
    if (outcome.kind === "retry" && outcome.trips) this.#failures += 1;
    else if (outcome.kind === "delivered") this.#failures = 0;
    if (asked > 0) this.#askedUntil = Math.max(this.#askedUntil, this.#now + asked);
    if (outcome.kind === "disable") this.#isOff = true;
    const isKept = outcome.kind === "disable" && outcome.keeps === true;
    if (costs && !isKept) one.spent += 1;
    if (outcome.kind === "rejected") one.rejections += 1;
    const isOver =
      outcome.kind === "dead" ||
      (outcome.kind === "disable" && !isKept) ||
      (outcome.kind === "rejected" && one.rejections >= REJECTED_MAX_ATTEMPTS) ||
      (outcome.kind === "retry" && outcome.costsAttempt && one.spent >= POLICY.scheduleMs.length);
    const view = this.#store.delivery(lease.deliveryId);
    // what is too old is over, too; when that is, is for the tests of decide
    const isOld = view?.message.includes("older than") === true;
    one.state = outcome.kind === "delivered" ? "delivered" : isOver || isOld ? "dead" : "pending";
    one.notBefore = this.#now + asked;
    if (one.state === "dead") this.seen.dead += 1;
    if (wasDown && !this.#isDown) this.#back();
  }

  get #isDown(): boolean {
    return this.#health.current.breaker !== "closed";
  }

  /** The receiver is back: what waits for its next attempt need not wait any longer. */
  #back(): void {
    this.#failures = 0;
    for (const one of this.#expected.values()) {
      if (one.state === "pending" && one.attempts > 0) one.notBefore = Math.min(one.notBefore, this.#now);
    }
  }

  async #conclude(lease: Lease, outcome: Outcome): Promise<void> {
    const context = { lease, firstTime: this.#now, startedAt: this.#now, policy: POLICY, isEarly: false };
    await concludeAttempt({ outcome, durationMs: 1, isInterrupted: false }, context, this.#health, {
      store: this.#store,
      clock: this.#clock,
      random: () => 0.5,
      metrics: this.#metrics(this.#store),
      logger: silentLogger,
      redact: (text) => text,
      giveUp: new AbortController().signal,
    });
  }

  /** Whoever comes late with an attempt that has ended, or that a crash has given back, changes nothing. */
  async #endStale(): Promise<void> {
    const lease = this.#stale[Math.floor(this.#random() * this.#stale.length)];
    if (lease === undefined) return;
    const end = { ...ENDED, lease, now: this.#now, dueAt: this.#now };
    assert.equal(await this.#store.endAttempt(end), "stale");
  }

  async #again(): Promise<void> {
    const id = 1 + Math.floor(this.#random() * this.#expected.size);
    const one = this.#expected.get(id);
    if (one === undefined) return;
    const result = await this.#store.sendAgain(id, this.#now);
    assert.equal(result, one.state === "delivering" ? "under_way" : "queued");
    if (result !== "queued") return;
    Object.assign(one, { state: "pending", spent: 0, rejections: 0, notBefore: this.#now });
  }

  async #enable(): Promise<void> {
    await this.#health.save(afterEnable(this.#health.current));
    this.#isOff = false;
    this.#failures = 0;
    this.#askedUntil = 0;
  }

  /** The process ends without a word: what was under way is made again, everything else is as it was. */
  #crash(): void {
    this.seen.crashes += 1;
    this.#store.close();
    [this.#store, this.#health] = this.#open();
    for (const one of this.#expected.values()) {
      if (one.lease === undefined) continue;
      this.#stale.push(one.lease);
      Object.assign(one, { state: "pending", lease: undefined, notBefore: this.#now });
      one.attempts += 1;
    }
  }

  #check(): void {
    for (const [id, one] of this.#expected) {
      const view = this.#store.delivery(id);
      assert.deepEqual([view?.state, view?.attempts], [one.state, one.attempts], `delivery ${id}`);
      assert.equal(this.#store.attempts(id).length, one.attempts);
      assert.ok(one.state !== "pending" || (view?.dueAt ?? 0) >= one.notBefore, "it is not due too early");
    }
  }

  /** The receiver is well again: in the end nothing waits, and what was not given up has arrived. */
  async settle(): Promise<void> {
    await this.#enable();
    for (let round = 0; round < 5 * this.#expected.size; round += 1) {
      await this.#end({ kind: "delivered", status: 200 });
      await this.#lease(4);
      this.#now += 300_000;
    }
    this.#check();
    const open = [...this.#expected.values()].filter(
      ({ state }) => state !== "delivered" && state !== "dead",
    );
    assert.deepEqual(open, []);
  }

  /** Takes the store away. */
  close(): void {
    this.#store.close();
    rmSync(this.#directory, { recursive: true });
  }

  #of(id: number): Expected {
    const found = this.#expected.get(id);
    assert.ok(found, `delivery ${id} was never made`);
    return found;
  }
}
