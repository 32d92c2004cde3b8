import { Counter, Gauge, Histogram, type Registry } from "prom-client";

import type { StateCount, StoreSize } from "./store/store.ts";
import type { SubscriptionHealth } from "./store/views.ts";

/** Seconds; a delivery to a neighbour takes milliseconds, one that is retried hours. */
const ATTEMPT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];
const LATENCY_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28_800, 86_400];
const COMMIT_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];

/** How the end of a delivery is counted. */
export interface EndedDelivery {
  readonly state: "delivered" | "dead";
  readonly reason: string;
  /** deliveries that its message stood for */
  readonly count: number;
  /** from the event's time */
  readonly latencyMs: number;
}

/** What the relay counts. */
export interface RelayMetrics {
  /** an event came: "accepted", "duplicate", "differing", "rejected" (not valid) or "refused" (no room) */
  event(type: string, result: string): void;
  /** an event that no subscription wants */
  unmatched(type: string): void;
  attempt(
    subscription: string,
    attempt: { readonly outcome: string; readonly reason: string; readonly durationMs: number },
  ): void;
  ended(subscription: string, ended: EndedDelivery): void;
  health(subscription: string, health: SubscriptionHealth): void;
  commit(milliseconds: number, operations: number): void;
  /** whether the newest look at the configuration found it good */
  reloaded(isGood: boolean, now: number): void;
  /** subscriptions of the configuration in force; series of others go */
  subscriptions(names: readonly string[]): void;
  /** whether the store takes what comes */
  storeWritable(isWritable: boolean): void;
  retained(deleted: number): void;
  setAside(): void;
  request(route: string, method: string, status: number): void;
  /** a call to Slack; `result` is "ok" or one of a known set of reasons */
  slackCall(subscription: string, method: string, result: string): void;
}

/** What is asked at each scrape. */
export interface RelayMetricsOptions {
  readonly registry: Registry;
  readonly counts: () => readonly StateCount[];
  readonly size: () => StoreSize;
  /** milliseconds since 1970 */
  readonly now: () => number;
}

/** Types that events have; a label of any text would let whoever posts fill the memory. */
const KNOWN_TYPE = /^tote\.(?:image|relay)\.[a-z_]{1,32}$/;

/** Registers the relay's metrics; counters exist at 0 from the start where their labels are known. */
export function createRelayMetrics(options: RelayMetricsOptions): RelayMetrics {
  const registers = [options.registry];
  const events = new Counter({
    name: "tote_relay_events_total",
    help: "events that were posted, by type and what became of them",
    labelNames: ["type", "result"] as const,
    registers,
  });
  for (const result of ["accepted", "duplicate", "differing", "rejected", "refused"]) {
    events.inc({ type: "tote.image.detected", result }, 0);
  }
  const unmatched = new Counter({
    name: "tote_relay_events_unmatched_total",
    help: "events that no subscription wants, by type",
    labelNames: ["type"] as const,
    registers,
  });
  const deliveries = new Counter({
    name: "tote_relay_deliveries_total",
    help: "attempts, by subscription, outcome and reason",
    labelNames: ["subscription", "outcome", "reason"] as const,
    registers,
  });
  const ended = new Counter({
    name: "tote_relay_deliveries_ended_total",
    help: "deliveries that were delivered or given up, by subscription",
    labelNames: ["subscription", "state"] as const,
    registers,
  });
  const suppressed = new Counter({
    name: "tote_relay_suppressed_total",
    help: "deliveries that went out as part of another's message",
    labelNames: ["subscription"] as const,
    registers,
  });
  const attempts = new Histogram({
    name: "tote_relay_attempt_duration_seconds",
    help: "time of one attempt",
    labelNames: ["subscription"] as const,
    buckets: ATTEMPT_BUCKETS,
    registers,
  });
  const latency = new Histogram({
    name: "tote_relay_delivery_latency_seconds",
    help: "time from an event to its delivery",
    labelNames: ["subscription"] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const breaker = new Gauge({
    name: "tote_relay_breaker_state",
    help: "0 closed, 1 half open, 2 open: the receiver fails and is left alone for a while",
    labelNames: ["subscription"] as const,
    registers,
  });
  const disabled = new Gauge({
    name: "tote_relay_subscription_disabled",
    help: "1 when nothing is sent to a subscription until somebody acts, by who switched it off",
    labelNames: ["subscription", "by"] as const,
    registers,
  });
  const commits = new Histogram({
    name: "tote_relay_commit_duration_seconds",
    help: "time to write one transaction to disk",
    buckets: COMMIT_BUCKETS,
    registers,
  });
  const reloadGood = gauge(
    "tote_relay_config_last_reload_successful",
    "1 when the configuration on disk is in force",
  );
  const reloadTime = gauge(
    "tote_relay_config_last_reload_success_timestamp_seconds",
    "when it was last found good",
  );
  const writable = gauge(
    "tote_relay_store_writable",
    "1 when the store takes events, 0 when it is full or cannot be written",
  );
  const brokenStores = new Counter({
    name: "tote_relay_store_set_aside_total",
    help: "broken stores that were set aside at the start",
    registers,
  });
  const deletedEvents = new Counter({
    name: "tote_relay_events_deleted_total",
    help: "events that retention has deleted",
    registers,
  });
  const requests = new Counter({
    name: "tote_relay_http_requests_total",
    help: "requests, by route, method and status",
    labelNames: ["route", "method", "code"] as const,
    registers,
  });
  const slackCalls = new Counter({
    name: "tote_relay_slack_calls_total",
    help: "calls to Slack, by subscription, method and result",
    labelNames: ["subscription", "method", "result"] as const,
    registers,
  });
  registerScraped(options);
  let known = new Set<string>();

  function gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers });
  }

  return {
    event: (type, result) => events.inc({ type: typeLabel(type), result }),
    unmatched: (type) => unmatched.inc({ type: typeLabel(type) }),
    attempt(subscription, { outcome, reason, durationMs }) {
      deliveries.inc({ subscription, outcome, reason });
      attempts.observe({ subscription }, durationMs / 1000);
    },
    ended(subscription, { state, count, latencyMs }) {
      ended.inc({ subscription, state }, count);
      if (count > 1) suppressed.inc({ subscription }, count - 1);
      if (state === "delivered") latency.observe({ subscription }, Math.max(0, latencyMs) / 1000);
    },
    health(subscription, { breaker: state, disabledBy }) {
      breaker.set({ subscription }, state === "closed" ? 0 : state === "half_open" ? 1 : 2);
      for (const by of ["operator", "receiver", "relay"]) {
        disabled.set({ subscription, by }, disabledBy === by ? 1 : 0);
      }
    },
    commit: (milliseconds) => commits.observe(milliseconds / 1000),
    reloaded(isGood, now) {
      reloadGood.set(isGood ? 1 : 0);
      if (isGood) reloadTime.set(now / 1000);
    },
    subscriptions(names) {
      for (const subscription of known) {
        if (names.includes(subscription)) continue;
        breaker.remove({ subscription });
        for (const by of ["operator", "receiver", "relay"]) disabled.remove({ subscription, by });
      }
      known = new Set(names);
      for (const subscription of names) {
        for (const state of ["delivered", "dead"]) ended.inc({ subscription, state }, 0);
        suppressed.inc({ subscription }, 0);
      }
    },
    storeWritable: (isWritable) => writable.set(isWritable ? 1 : 0),
    retained: (deleted) => deletedEvents.inc(deleted),
    setAside: () => brokenStores.inc(),
    slackCall: (subscription, method, result) => slackCalls.inc({ subscription, method, result }),
    request: (route, method, status) => requests.inc({ route, method, code: String(status) }),
  };
}

function typeLabel(type: string): string {
  return KNOWN_TYPE.test(type) ? type : "other";
}

/** What is asked of the store when somebody looks. */
function registerScraped({ registry, counts, size, now }: RelayMetricsOptions): void {
  const registers = [registry];
  const oldest = new Gauge({
    name: "tote_relay_oldest_pending_age_seconds",
    help: "age of the oldest delivery that waits",
    labelNames: ["subscription"] as const,
    registers: [],
  });
  new Gauge({
    name: "tote_relay_queue_depth",
    help: "deliveries that are not delivered, by subscription and state",
    labelNames: ["subscription", "state"] as const,
    registers,
    collect() {
      this.reset();
      oldest.reset();
      for (const { subscription, state, count, oldest: since } of counts()) {
        this.set({ subscription, state }, count);
        if (state === "pending") oldest.set({ subscription }, Math.max(0, now() - since) / 1000);
      }
    },
  });
  // after the one that fills it
  registry.registerMetric(oldest);
  new Gauge({
    name: "tote_relay_db_bytes",
    help: "size of the store on disk, its log included",
    registers,
    collect() {
      this.set(size().file);
    },
  });
}
