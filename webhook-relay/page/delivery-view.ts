import { html, raw } from "hono/html";

import type { RelayControl } from "../control.ts";
import { DELIVERY_STATES, type AttemptView, type DeliveryQuery, type DeliveryView } from "../store/views.ts";
import { actionButton, badge, empty, fact, older, when, type Html, type ViewContext } from "./parts.ts";
import { attemptLabel, countText, deliveryLabel, eventLabel } from "./words.ts";

/** Deliveries, those that are dead with a button. */
export function deliveryCards(deliveries: readonly DeliveryView[], context: ViewContext): Html {
  return html`<ul class="cards">
    ${deliveries.map((delivery) => deliveryCard(delivery, context))}
  </ul>`;
}

function deliveryCard(delivery: DeliveryView, context: ViewContext): Html {
  const { id, state, namespace, attempts, dueAt, endedAt, createdAt } = delivery;
  const { now } = context;
  return html`<li class="card">
    <div class="card-head">
      ${badge(deliveryLabel(state))}
      <h3><a href="/deliveries/${id}">${titleOf(delivery)}</a></h3>
      <span class="end small soft">${when(endedAt ?? createdAt, now)}</span>
    </div>
    ${trouble(delivery)}
    <div class="card-foot">
      <p class="line">
        <span>no. ${id}</span> ${namespace === "" ? "" : html`<span>namespace ${namespace}</span>`}
        <span>${countText(attempts, "attempt")}</span>
        ${dueAt === undefined ? "" : html`<span>next ${when(dueAt, now)}</span>`}
      </p>
      ${state === "dead" ? actionButton(context, { action: "redeliver", label: "Send again", fields: { id } }) : ""}
    </div>
  </li>`;
}

function titleOf({ eventType, subscription }: DeliveryView): string {
  return `${eventLabel(eventType).text} → ${subscription}`;
}

function trouble({ state, reason, message }: DeliveryView): Html | "" {
  if (state === "delivered" || (reason === "" && message === "")) return "";
  return html`<p class="message">${message === "" ? reason : message}</p>`;
}

/** A list of deliveries and what it is filtered by. */
export interface DeliveryList {
  readonly deliveries: readonly DeliveryView[];
  readonly next: string | undefined;
  readonly query: DeliveryQuery;
  /** names to choose from */
  readonly subscriptions: readonly string[];
}

/** Deliveries, a page at a time, with what to filter them by. */
export function deliveryList(
  { deliveries, next, query, subscriptions }: DeliveryList,
  context: ViewContext,
): Html {
  const { subscription = "", state = "", incident = "" } = query;
  const isDead = state === "dead" && subscription !== "" && deliveries.length > 0;
  const states = DELIVERY_STATES.map((one) => ({ value: one, text: deliveryLabel(one).text }));
  return html`<div class="head">
      <h1>${state === "dead" ? "Dead letters" : "Deliveries"}</h1>
      ${
        isDead
          ? actionButton(context, {
              action: "replay",
              label: `Send all of ${subscription} again`,
              fields: { subscription },
              isMain: true,
            })
          : ""
      }
    </div>
    <form class="filter" method="get" action="/deliveries">
      ${select(
        "subscription",
        "Subscription",
        subscription,
        subscriptions.map((name) => ({ value: name, text: name })),
      )}
      ${select("state", "State", state, states)}
      ${incident === "" ? "" : html`<input type="hidden" name="incident" value="${incident}" />`}
      <button>Show</button>
    </form>
    ${deliveries.length === 0 ? empty(...emptyText(query)) : deliveryCards(deliveries, context)}
    ${older("/deliveries", filterOf(query), next)}`;
}

function emptyText({ state, subscription }: DeliveryQuery): readonly [string, string] {
  if (state === "dead") return ["No dead letters", "Everything has arrived, or is still being tried."];
  return subscription === undefined && state === undefined
    ? ["No deliveries", "No event has come that a subscription wants."]
    : ["No such deliveries", "Nothing matches this filter."];
}

function filterOf({ subscription, state, incident }: DeliveryQuery): Readonly<Record<string, string>> {
  return {
    ...(subscription !== undefined && { subscription }),
    ...(state !== undefined && { state }),
    ...(incident !== undefined && { incident }),
  };
}

function select(
  name: string,
  label: string,
  chosen: string,
  options: readonly { readonly value: string; readonly text: string }[],
): Html {
  return html`<label
    >${label}
    <select name="${name}">
      <option value="">All</option>
      ${options.map(
        ({ value, text }) =>
          html`<option value="${value}" ${value === chosen ? raw("selected") : ""}>${text}</option>`,
      )}
    </select></label
  >`;
}

/** One delivery with every attempt. */
export function deliveryPage(
  delivery: DeliveryView,
  event: ReturnType<RelayControl["event"]>,
  attempts: readonly AttemptView[],
  context: ViewContext,
): Html {
  const { id, state, subscription, incident, leadId, total, dueAt, endedAt, createdAt, isReplay } = delivery;
  const { now } = context;
  const canSend = state !== "delivering" && state !== "folded";
  const label = state === "pending" ? "Send now" : "Send again";
  return html`<p class="crumb"><a href="/deliveries">Deliveries</a></p>
    <div class="head">
      <h1>${titleOf(delivery)}</h1>
      ${badge(deliveryLabel(state))}
    </div>
    ${
      canSend
        ? html`<div class="bar">
            ${actionButton(context, { action: "redeliver", label, fields: { id }, isMain: state === "dead" })}
          </div>`
        : ""
    }
    <section class="section">
      <dl class="cards facts">
        ${fact("Delivery", id)}
        ${fact("Subscription", html`<a href="/subscriptions/${encodeURIComponent(subscription)}">${subscription}</a>`)}
        ${fact("Event", html`<code>${delivery.eventType}</code>`)}
        ${fact("Event id", html`<code>${delivery.eventId}</code>`)}
        ${fact("Incident", incident === "" ? "" : html`<a href="/incidents/${encodeURIComponent(incident)}">Timeline</a>`)}
        ${fact("Namespace", delivery.namespace)} ${fact("Accepted", when(createdAt, now))}
        ${fact("Next attempt", dueAt === undefined ? "" : when(dueAt, now))}
        ${fact("Ended", endedAt === undefined ? "" : when(endedAt, now))}
        ${fact("Sent again", isReplay ? "asked for by a person or a replay" : "")}
        ${fact("Message", leadId === undefined ? "" : html`part of <a href="/deliveries/${leadId}">delivery ${leadId}</a>`)}
        ${fact("Stands for", total > 1 ? `${total} deliveries` : "")} ${fact("Trouble", trouble(delivery))}
      </dl>
      ${
        event === undefined
          ? ""
          : html`<details>
              <summary>The event as it came</summary>
              <pre>${pretty(event.body)}</pre>
            </details>`
      }
    </section>
    <section class="section">
      <div class="section-head"><h2>${countText(attempts.length, "attempt")}</h2></div>
      ${
        attempts.length === 0
          ? empty("Not tried yet", "")
          : html`<ol class="timeline">
              ${attempts.map((one) => attemptStep(one, now))}
            </ol>`
      }
    </section>`;
}

function attemptStep(attempt: AttemptView, now: number): Html {
  const { number, startedAt, durationMs, outcome, message, reason, status, excerpt, retryAfterMs } = attempt;
  const label = attemptLabel(outcome);
  return html`<li class="step dot-${label.tone}">
    <div class="card-head">
      <h3>${label.text}</h3>
      <span class="small soft">${when(startedAt, now)}</span>
    </div>
    ${message === "" && reason === "" ? "" : html`<p class="message">${message === "" ? reason : message}</p>`}
    <p class="line">
      <span>attempt ${number}</span> ${status === undefined ? "" : html`<span>HTTP ${status}</span>`}
      <span>${durationMs} ms</span>
      ${retryAfterMs === undefined ? "" : html`<span>asked to wait ${Math.ceil(retryAfterMs / 1000)} s</span>`}
    </p>
    ${
      excerpt === ""
        ? ""
        : html`<details>
            <summary>Answer</summary>
            <pre>${excerpt}</pre>
          </details>`
    }
  </li>`;
}

function pretty(body: string): string {
  return JSON.stringify(JSON.parse(body), undefined, 2);
}
