import { html } from "hono/html";

import type { SubscriptionStatus } from "../control.ts";
import { subscriptionState, type SubscriptionState } from "../routes/subscription-json.ts";
import type { DeliveryView, IncidentView, ReplayView } from "../store/views.ts";
import { deliveryCards } from "./delivery-view.ts";
import { incidentCards } from "./incident-view.ts";
import { actionButton, badge, empty, when, type Html, type ViewContext } from "./parts.ts";
import { subscriptionCards } from "./subscription-view.ts";
import { countText, spanText, type Tone } from "./words.ts";

/** What the first page shows. */
export interface Overview {
  readonly readiness: { readonly ready: boolean; readonly reason: string };
  readonly subscriptions: readonly SubscriptionStatus[];
  readonly incidents: readonly IncidentView[];
  readonly deadLetters: readonly DeliveryView[];
  /** those that run */
  readonly replays: readonly ReplayView[];
}

/** What is going on, for a person on call. */
export function nowPage(overview: Overview, context: ViewContext): Html {
  const { subscriptions, incidents, deadLetters, replays } = overview;
  const { now } = context;
  const sum = (of: (status: SubscriptionStatus) => number): number =>
    subscriptions.reduce((total, status) => total + of(status), 0);
  const waiting = sum(({ pending, delivering }) => pending + delivering);
  const dead = sum((status) => status.dead);
  const oldest = Math.min(...subscriptions.map(({ oldestPendingAt }) => oldestPendingAt ?? now));
  const well = subscriptions.filter(({ health }) => subscriptionState(health, now) === "ok").length;
  return html`${banner(overview, dead, now)}
    <div class="tiles">
      ${tile("Subscriptions well", `${well} of ${subscriptions.length}`, well < subscriptions.length ? "warn" : "idle")}
      ${tile("Dead letters", dead, dead > 0 ? "bad" : "idle", "/deliveries?state=dead")}
      ${tile("Waiting", waiting, "idle", "/deliveries?state=pending")}
      ${tile("Longest wait", waiting === 0 ? "none" : spanText(now - oldest), "idle")}
    </div>
    <div class="columns wide">
      <div>
        <section class="section">
          <div class="section-head">
            <h2>Incidents</h2>
            <a class="end" href="/incidents">All</a>
          </div>
          ${incidentCards(incidents, context)}
        </section>
        <section class="section">
          <div class="section-head">
            <h2>Dead letters</h2>
            <a class="end" href="/deliveries?state=dead">All</a>
          </div>
          ${
            deadLetters.length === 0
              ? empty("No dead letters", "Everything has arrived, or is still being tried.")
              : deliveryCards(deadLetters, context)
          }
        </section>
      </div>
      <div>
        ${replays.length === 0 ? "" : replaySection(replays, context)}
        <section class="section">
          <div class="section-head"><h2>Subscriptions</h2></div>
          ${subscriptionCards(subscriptions, context)}
        </section>
      </div>
    </div>`;
}

function banner({ readiness, subscriptions }: Overview, dead: number, now: number): Html {
  const namesOf = (wanted: SubscriptionState): readonly string[] =>
    subscriptions
      .filter(({ health }) => subscriptionState(health, now) === wanted)
      .map(({ subscription }) => subscription.name);
  const failing = namesOf("failing");
  const off = namesOf("disabled");
  const troubles = [
    ...(readiness.ready ? [] : [`The relay takes no events: ${readiness.reason}.`]),
    ...(failing.length === 0
      ? []
      : [`${countText(failing.length, "subscription")} failing: ${failing.join(", ")}.`]),
    ...(off.length === 0 ? [] : [`${countText(off.length, "subscription")} off: ${off.join(", ")}.`]),
    ...(dead === 0 ? [] : [`${countText(dead, "dead letter")}.`]),
  ];
  const isBad = !readiness.ready || failing.length > 0;
  const tone: Tone = isBad ? "bad" : troubles.length > 0 ? "warn" : "good";
  const [first = "All is well: events are taken and delivered.", ...more] = troubles;
  return html`<p class="banner ${tone}">
    <span>${first} ${more.length === 0 ? "" : html`<span class="small">${more.join(" ")}</span>`}</span>
  </p>`;
}

function tile(name: string, value: string | number, tone: Tone, href?: string): Html {
  const inside = html`<b>${value}</b><span class="small soft">${name}</span>`;
  return href === undefined
    ? html`<div class="tile ${tone}">${inside}</div>`
    : html`<a class="tile ${tone}" href="${href}">${inside}</a>`;
}

function replaySection(replays: readonly ReplayView[], context: ViewContext): Html {
  return html`<section class="section">
    <div class="section-head"><h2>Replays</h2></div>
    <ul class="cards">
      ${replays.map(
        ({ id, query, replayed, perSecond, createdAt }) =>
          html`<li class="card">
            <div class="card-head">
              ${badge({ text: "Running", tone: "info" })}
              <h3>${query.subscription ?? `Replay ${id}`}</h3>
              <span class="end"
                >${actionButton(context, { action: "cancel-replay", label: "Stop", fields: { id } })}</span
              >
            </div>
            <p class="line">
              <span>${replayed} sent again</span> <span>${perSecond}/s</span>
              <span>began ${when(createdAt, context.now)}</span>
            </p>
          </li>`,
      )}
    </ul>
  </section>`;
}
