import { html } from "hono/html";

import { formatDuration, formatSize } from "../../lib/units.ts";
import type { RelayEvent } from "../event/event.ts";
import { readStoredEvent } from "../event/validate.ts";
import type { DeliveryView, EventView, IncidentView } from "../store/views.ts";
import { badge, empty, fact, older, when, type Html, type ViewContext } from "./parts.ts";
import { countText, deliveryLabel, eventLabel } from "./words.ts";

/** Incidents, each with its newest transition. */
export function incidentCards(incidents: readonly IncidentView[], { now }: ViewContext): Html {
  if (incidents.length === 0) {
    return empty("No incidents", "No image has been missing for as long as events are kept.");
  }
  return html`<ul class="cards">
    ${incidents.map((incident) => incidentCard(incident, now))}
  </ul>`;
}

function incidentCard({ incident, events, firstAt, body }: IncidentView, now: number): Html {
  const event = readStoredEvent(body);
  const { namespace = "", image = "", message = "" } = event.data;
  return html`<li class="card">
    <div class="card-head">
      ${badge(eventLabel(event.type))}
      <h3><a href="/incidents/${encodeURIComponent(incident)}">${titleOf(event)}</a></h3>
      <span class="end small soft">${when(Date.parse(event.time), now)}</span>
    </div>
    ${message === "" ? "" : html`<p class="message">${message}</p>`}
    <p class="line">
      ${namespace === "" ? "" : html`<span>namespace ${namespace}</span>`}
      ${image === "" ? "" : html`<code>${image}</code>`}
      <span>${countText(events, "event")}${events > 1 ? html`, began ${when(firstAt, now)}` : ""}</span>
    </p>
  </li>`;
}

/** All incidents, a page at a time. */
export function incidentList(
  incidents: readonly IncidentView[],
  next: string | undefined,
  context: ViewContext,
): Html {
  return html`<div class="head"><h1>Incidents</h1></div>
    ${incidentCards(incidents, context)} ${older("/incidents", {}, next)}`;
}

/** What one incident went through, and who was told. */
export interface IncidentTimeline {
  readonly incident: string;
  /** newest first */
  readonly events: readonly EventView[];
  readonly deliveries: readonly DeliveryView[];
  /** there are older events than these */
  readonly isCut: boolean;
}

/** One incident: its transitions, oldest first, each with its deliveries. */
export function incidentPage(timeline: IncidentTimeline, context: ViewContext): Html {
  const steps = timeline.events.toReversed().map((view) => ({ view, event: readStoredEvent(view.body) }));
  const newest = steps.at(-1)?.event;
  const byEvent = Map.groupBy(timeline.deliveries, ({ eventId }) => eventId);
  const { namespace, image, digest, cause } = newest?.data ?? {};
  return html`<p class="crumb"><a href="/incidents">Incidents</a></p>
    <div class="head">
      <h1>${newest === undefined ? timeline.incident : titleOf(newest)}</h1>
      ${newest === undefined ? "" : badge(eventLabel(newest.type))}
    </div>
    <section class="section">
      <dl class="cards facts">
        ${fact("Namespace", namespace)}
        ${fact("Image", image === undefined ? "" : html`<code>${image}</code>`)}
        ${fact("Digest", digest === undefined || digest === "" ? "" : html`<code>${digest}</code>`)}
        ${fact("Cause", cause)} ${fact("Cluster", newest?.source)}
        ${fact("Incident", html`<code>${timeline.incident}</code>`)}
      </dl>
    </section>
    <section class="section">
      <div class="section-head"><h2>Timeline</h2></div>
      ${timeline.isCut ? html`<p class="soft small">Older events are left out.</p>` : ""}
      <ol class="timeline">
        ${steps.map(({ view, event }) => step(event, byEvent.get(view.id) ?? [], context.now))}
      </ol>
    </section>`;
}

function step(event: RelayEvent, deliveries: readonly DeliveryView[], now: number): Html {
  const label = eventLabel(event.type);
  const { message = "", pod = "", sourceNodes = [], targetNode = "", bytes = 0, durationMs = 0 } = event.data;
  const nodes =
    sourceNodes.length === 0
      ? targetNode
      : `${sourceNodes.join(", ")}${targetNode === "" ? "" : ` → ${targetNode}`}`;
  const facts = [
    pod === "" ? "" : `pod ${pod}`,
    nodes,
    bytes > 0 ? formatSize(bytes) : "",
    durationMs > 0 ? `took ${formatDuration(durationMs)}` : "",
  ];
  return html`<li class="step dot-${label.tone}">
    <div class="card-head">
      <h3>${label.text}</h3>
      <span class="small soft">${when(Date.parse(event.time), now)}</span>
    </div>
    ${message === "" ? "" : html`<p class="message">${message}</p>`}
    <p class="line">${facts.filter((text) => text !== "").map((text) => html`<span>${text}</span> `)}</p>
    <div class="chips">
      ${
        deliveries.length === 0
          ? html`<span class="small soft">No subscription wanted this.</span>`
          : deliveries.map(
              ({ id, subscription, state }) =>
                html`<a class="chip" href="/deliveries/${id}"
                  >${subscription} ${badge(deliveryLabel(state))}</a
                >`,
            )
      }
    </div>
  </li>`;
}

/** What an event is about, in few words. */
export function titleOf({ data, subject }: RelayEvent): string {
  const { owner, pod = "" } = data;
  if (owner !== undefined && owner.name !== "") return `${owner.kind} ${owner.name}`.trim();
  return pod === "" ? subject : pod;
}
