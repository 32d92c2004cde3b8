import { html } from "hono/html";

import { formatDuration } from "../../lib/units.ts";
import type { SubscriptionStatus } from "../control.ts";
import { subscriptionState } from "../routes/subscription-json.ts";
import type { DeliveryView } from "../store/views.ts";
import type { EventFilter } from "../subscriptions/subscription.ts";
import { deliveryCards } from "./delivery-view.ts";
import { actionButton, badge, empty, fact, when, type Html, type ViewContext } from "./parts.ts";
import { countText, spanText, subscriptionLabel } from "./words.ts";

/** Subscriptions, each with how it fares. */
export function subscriptionCards(all: readonly SubscriptionStatus[], context: ViewContext): Html {
  if (all.length === 0) return empty("No subscriptions", "Nobody is told of anything: see --config.");
  return html`<ul class="cards">
    ${all.map((status) => subscriptionCard(status, context))}
  </ul>`;
}

function subscriptionCard(status: SubscriptionStatus, { now }: ViewContext): Html {
  const { subscription, health, target } = status;
  return html`<li class="card short">
    <div class="card-head">
      <h3><a href="/subscriptions/${encodeURIComponent(subscription.name)}">${subscription.name}</a></h3>
      <span class="end">${badge(subscriptionLabel(subscriptionState(health, now)))}</span>
    </div>
    <p class="line">
      <span>${subscription.type}${target === "" ? "" : html` · <span>${target}</span>`}</span>
    </p>
    ${troubleOf(status, now)}
    <p class="line">${queueOf(status, now)}</p>
  </li>`;
}

function troubleOf({ health }: SubscriptionStatus, now: number): Html | "" {
  switch (subscriptionState(health, now)) {
    case "ok":
      return "";
    case "disabled":
      return html`<p class="message">Off: ${health.disabledReason}</p>`;
    case "paused":
      return html`<p class="message">
        The receiver asked for a pause, it ends ${when(health.pausedUntil ?? now, now)}.
      </p>`;
    case "failing":
      return html`<p class="message">
        ${countText(health.failures, "failure")} in a row: ${health.lastFailure}
      </p>`;
  }
}

function queueOf(
  { pending, delivering, dead, oldestPendingAt, health }: SubscriptionStatus,
  now: number,
): Html {
  const waiting = pending + delivering;
  return html`${
    waiting === 0
      ? html`<span>nothing waits</span>`
      : html`<span
          >${waiting}
          waiting${oldestPendingAt === undefined ? "" : `, for ${spanText(now - oldestPendingAt)}`}</span
        >`
  }
  ${dead === 0 ? "" : html`<span class="strong">${dead} dead</span>`}
  ${health.lastSuccessAt === undefined ? html`<span>never delivered</span>` : html`<span>last delivered ${when(health.lastSuccessAt, now)}</span>`}`;
}

/** One subscription: what it is, how it fares, what went to it last, and what can be done. */
export function subscriptionPage(
  status: SubscriptionStatus,
  deliveries: readonly DeliveryView[],
  context: ViewContext,
): Html {
  const { subscription, health, target, dead } = status;
  const { name, filter, retry, rateLimit, group, timeoutMs } = subscription;
  const { now } = context;
  const isOff = health.disabledBy !== undefined;
  return html`<p class="crumb"><a href="/">Now</a></p>
    <div class="head">
      <h1>${name}</h1>
      ${badge(subscriptionLabel(subscriptionState(health, now)))}
    </div>
    <div class="bar">
      ${isOff ? actionButton(context, { action: "enable", label: "Switch on", fields: { name }, isMain: true }) : ""}
      ${actionButton(context, { action: "test", label: "Send a test", fields: { name } })}
      ${
        dead === 0
          ? ""
          : actionButton(context, {
              action: "replay",
              label: `Send ${countText(dead, "dead letter")} again`,
              fields: { subscription: name },
            })
      }
      ${
        isOff
          ? ""
          : actionButton(context, {
              action: "disable",
              label: "Switch off",
              fields: { name },
              asks: { name: "reason", label: "Why (optional)" },
            })
      }
    </div>
    <section class="section">
      <dl class="cards facts">
        ${fact("Sends to", target)}
        ${fact("Kind", subscription.type === "webhook" ? `webhook, ${subscription.format}` : subscription.type)}
        ${fact("Wants", wants(filter))}
        ${fact("Waiting", html`<span class="line">${queueOf(status, now)}</span>`)}
        ${fact("Trouble", troubleOf(status, now))}
        ${fact("Switched off", health.disabledAt === undefined ? "" : html`by the ${health.disabledBy ?? "relay"}, ${when(health.disabledAt, now)}`)}
        ${fact("Last failure", health.lastFailureAt === undefined ? "" : html`${when(health.lastFailureAt, now)}: ${health.lastFailure}`)}
        ${fact("Failing since", health.failingSince === undefined ? "" : when(health.failingSince, now))}
        ${fact("Attempts", `${retry.scheduleMs.length}, for at most ${formatDuration(retry.maxAgeMs)}, ${formatDuration(timeoutMs)} each`)}
        ${fact("Rate", rateLimit === undefined ? "" : `${rateLimit.perSecond}/s`)}
        ${fact("Groups", group === undefined ? "" : `one message per ${formatDuration(group.intervalMs)}`)}
      </dl>
    </section>
    <section class="section">
      <div class="section-head">
        <h2>Last deliveries</h2>
        <a class="end" href="/deliveries?subscription=${encodeURIComponent(name)}">All</a>
      </div>
      ${deliveries.length === 0 ? empty("No deliveries", "No event has come that this wants.") : deliveryCards(deliveries, context)}
    </section>`;
}

function wants({ events, namespaces, minSeverity, severities }: EventFilter): string {
  const severity = minSeverity === undefined ? severities.join(", ") : `${minSeverity} and worse`;
  const parts = [
    events.length === 0 ? "all events" : events.join(", "),
    namespaces.length === 0 ? "" : `in ${namespaces.join(", ")}`,
    severity,
  ];
  return parts.filter((part) => part !== "").join("; ");
}
