import { formatDuration } from "../../lib/units.ts";
import {
  AUTO_DISABLE_AFTER_MS,
  AUTO_DISABLE_PROBE_MS,
  BREAKER_FAILURES,
  BREAKER_PAUSE_MAX_MS,
  BREAKER_PAUSE_MS,
  RETRY_JITTER,
} from "../limits.ts";
import { UNKNOWN_HEALTH } from "../store/health.ts";
import type { SubscriptionHealth } from "../store/views.ts";

/** What may be sent to a subscription now. */
export type Gate =
  | { readonly kind: "open" }
  /** one attempt, to see whether it is back */
  | { readonly kind: "probe" }
  /** nothing before then, milliseconds since 1970 */
  | { readonly kind: "until"; readonly at: number }
  /** nothing until a person acts */
  | { readonly kind: "closed" };

/** What may be sent now. Pure, as all of this file. */
export function gateOf(health: SubscriptionHealth, now: number): Gate {
  const { disabledBy, pausedUntil, breaker } = health;
  if (disabledBy === "operator" || disabledBy === "receiver") return { kind: "closed" };
  if (pausedUntil !== undefined && pausedUntil > now) return { kind: "until", at: pausedUntil };
  return { kind: breaker === "closed" ? "open" : "probe" };
}

/** A probe begins: until it ends, nothing else is sent. */
export function afterProbeStart(health: SubscriptionHealth): SubscriptionHealth {
  return { ...health, breaker: "half_open", pausedUntil: undefined, askedUntil: undefined };
}

/** Something was delivered: all is well. */
export function afterSuccess(health: SubscriptionHealth, now: number): SubscriptionHealth {
  const { disabledBy, disabledAt, disabledReason, askedUntil, lastFailure, lastFailureAt } = health;
  const isByPerson = disabledBy === "operator" || disabledBy === "receiver";
  return {
    ...UNKNOWN_HEALTH,
    // a pause that the receiver asked for holds, one of the breaker does not
    pausedUntil: askedUntil,
    askedUntil,
    lastSuccessAt: now,
    lastFailure,
    lastFailureAt,
    ...(isByPerson && { disabledBy, disabledAt, disabledReason }),
  };
}

/** A failure, as the breaker sees it. */
export interface BreakerFailure {
  readonly now: number;
  readonly message: string;
  /** the receiver answered, or is not to blame: it does not count */
  readonly trips: boolean;
  /** 0 included to 1 excluded */
  readonly random: () => number;
}

/** Something was not delivered. */
export function afterFailure(health: SubscriptionHealth, failure: BreakerFailure): SubscriptionHealth {
  const { now, message, trips } = failure;
  const noted = { ...health, lastFailureAt: now, lastFailure: message };
  if (!trips) {
    // it answers: a probe that is refused or told to wait has found somebody
    return health.breaker === "half_open" ? { ...noted, breaker: "closed", failures: 0, trips: 0 } : noted;
  }
  const failures = health.failures + 1;
  const failing = { ...noted, failures, failingSince: health.failingSince ?? now };
  const isProbe = health.breaker === "half_open";
  if (!isProbe && (health.breaker === "open" || failures < BREAKER_FAILURES)) return failing;
  return open(failing, failure);
}

/** The receiver asked for a pause. */
export function afterPause(health: SubscriptionHealth, until: number): SubscriptionHealth {
  return {
    ...health,
    pausedUntil: Math.max(until, health.pausedUntil ?? 0),
    askedUntil: Math.max(until, health.askedUntil ?? 0),
  };
}

/** A person or the receiver switches it off. */
export function afterDisable(
  health: SubscriptionHealth,
  by: "operator" | "receiver",
  reason: string,
  now: number,
): SubscriptionHealth {
  return { ...health, disabledBy: by, disabledAt: now, disabledReason: reason };
}

/** It was configured anew: what was wrong is forgotten, but the same receiver still has the pause that it asked for. */
export function afterChange(health: SubscriptionHealth, isSameReceiver: boolean): SubscriptionHealth {
  const { askedUntil } = health;
  return { ...afterEnable(health), ...(isSameReceiver && { pausedUntil: askedUntil, askedUntil }) };
}

/** The clock was set back by so many milliseconds. */
export function afterSetBack(health: SubscriptionHealth, milliseconds: number): SubscriptionHealth {
  const back = (at: number | undefined): number | undefined =>
    at === undefined ? undefined : at - milliseconds;
  return { ...health, pausedUntil: back(health.pausedUntil), askedUntil: back(health.askedUntil) };
}

/** A person switches it on: whatever was wrong is forgotten. */
export function afterEnable(health: SubscriptionHealth): SubscriptionHealth {
  const { lastSuccessAt, lastFailure, lastFailureAt } = health;
  return { ...UNKNOWN_HEALTH, lastSuccessAt, lastFailure, lastFailureAt };
}

function open(health: SubscriptionHealth, { now, random }: BreakerFailure): SubscriptionHealth {
  const trips = health.trips + 1;
  const failingFor = now - (health.failingSince ?? now);
  const isLost = failingFor >= AUTO_DISABLE_AFTER_MS;
  const pause = isLost
    ? AUTO_DISABLE_PROBE_MS
    : Math.min(BREAKER_PAUSE_MS * 2 ** (trips - 1), BREAKER_PAUSE_MAX_MS);
  const jittered = pause * (1 + RETRY_JITTER * (2 * random() - 1));
  const pausedUntil = Math.max(Math.round(now + jittered), health.askedUntil ?? 0);
  const opened = { ...health, breaker: "open" as const, trips, pausedUntil };
  if (!isLost || health.disabledBy !== undefined) return opened;
  return {
    ...opened,
    disabledBy: "relay",
    disabledAt: now,
    disabledReason: `nothing but failures for ${formatDuration(failingFor)}, it is tried once an hour`,
  };
}
