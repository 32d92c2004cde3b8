import type { SubscriptionState } from "../routes/subscription-json.ts";
import type { DeliveryState } from "../store/views.ts";

/** How something looks; a colour never says it alone. */
export type Tone = "good" | "bad" | "warn" | "info" | "idle";

/** A word for people, and its colour. */
export interface Label {
  readonly text: string;
  readonly tone: Tone;
}

const EVENTS: ReadonlyMap<string, Label> = new Map([
  ["tote.image.detected", { text: "Image missing", tone: "warn" }],
  ["tote.image.salvageable", { text: "Found on other nodes", tone: "info" }],
  ["tote.image.salvaged", { text: "Image moved", tone: "info" }],
  ["tote.image.salvage_failed", { text: "Salvage failed", tone: "bad" }],
  ["tote.image.recovered", { text: "Recovered", tone: "good" }],
  ["tote.image.not_recovered", { text: "Not recovered", tone: "bad" }],
  ["tote.image.not_actionable", { text: "Not actionable", tone: "warn" }],
  ["tote.image.ambiguous", { text: "Ambiguous tag", tone: "warn" }],
  ["tote.image.corrupt", { text: "Corrupt on node", tone: "warn" }],
  ["tote.image.pushed", { text: "Pushed to backup", tone: "good" }],
  ["tote.image.push_failed", { text: "Push failed", tone: "warn" }],
  ["tote.relay.test", { text: "Test", tone: "idle" }],
] as const);

/** What a type of event means; one that is not known stands for itself. */
export function eventLabel(type: string): Label {
  return EVENTS.get(type) ?? { text: type, tone: "idle" };
}

const DELIVERIES: Readonly<Record<DeliveryState, Label>> = {
  pending: { text: "Waiting", tone: "warn" },
  delivering: { text: "Sending", tone: "info" },
  folded: { text: "In a group", tone: "idle" },
  delivered: { text: "Delivered", tone: "good" },
  dead: { text: "Dead", tone: "bad" },
};

/** How far a delivery is. */
export function deliveryLabel(state: DeliveryState): Label {
  return DELIVERIES[state];
}

const SUBSCRIPTIONS: Readonly<Record<SubscriptionState, Label>> = {
  ok: { text: "OK", tone: "good" },
  failing: { text: "Failing", tone: "bad" },
  paused: { text: "Paused", tone: "warn" },
  disabled: { text: "Off", tone: "idle" },
};

/** How a subscription fares. */
export function subscriptionLabel(state: SubscriptionState): Label {
  return SUBSCRIPTIONS[state];
}

const ATTEMPTS: ReadonlyMap<string, Label> = new Map([
  ["delivered", { text: "Delivered", tone: "good" }],
  ["retry", { text: "Failed", tone: "warn" }],
  ["rejected", { text: "Refused", tone: "bad" }],
  ["dead", { text: "Given up", tone: "bad" }],
  ["disable", { text: "Switched off", tone: "bad" }],
  ["interrupted", { text: "Interrupted", tone: "idle" }],
] as const);

/** How an attempt ended. */
export function attemptLabel(outcome: string): Label {
  return ATTEMPTS.get(outcome) ?? { text: outcome, tone: "idle" };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span of time as people say it, e.g. "4 min". */
export function spanText(milliseconds: number): string {
  const span = Math.max(0, milliseconds);
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < 2 * HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} h`;
  return `${Math.floor(span / DAY)} days`;
}

/** A point of time as seen from now, e.g. "4 min ago" or "in 30 s". */
export function fromNow(time: number, now: number): string {
  if (Math.abs(now - time) < SECOND) return "now";
  return time < now ? `${spanText(now - time)} ago` : `in ${spanText(time - now)}`;
}

/** "1 event", "2 events". */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
