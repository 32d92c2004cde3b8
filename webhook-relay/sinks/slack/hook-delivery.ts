import type { Attempt, Batch, Outcome } from "../sink.ts";
import type { Rendered } from "./blocks.ts";
import { standsAlone } from "./bot-delivery.ts";
import { verdictOf } from "./errors.ts";
import { addToCard } from "./incident-card.ts";
import { outcomeOf } from "./outcome.ts";
import { renderAlone, renderIncident } from "./render-incident.ts";
import type { SlackAnswer, SlackApi } from "./slack-api.ts";
import { addToStorm, renderStorm } from "./storm-card.ts";
import type { StormGate } from "./storm-gate.ts";

/** What one attempt at an incoming webhook works with. */
export interface HookDeliveryOptions {
  readonly api: SlackApi;
  readonly gate: StormGate;
  readonly url: string;
  readonly attempt: Attempt;
  readonly signal: AbortSignal;
  /** milliseconds since 1970 */
  readonly now: number;
}

/**
 * Sends a batch as one message: what it says of its incident, or of many. An incoming webhook tells nothing about its
 * messages, so none is changed, and none is looked for after a crash.
 */
export async function deliverToHook(options: HookDeliveryOptions, batch: Batch): Promise<Outcome> {
  const { gate, now } = options;
  const [first] = batch.items;
  if (first === undefined) throw new Error("a batch without events");
  const isAlone = !batch.isOverflow && standsAlone(first.event);
  const isStorm = batch.isOverflow || (!isAlone && !gate.mayOpen());
  const rendered = isAlone
    ? renderAlone(first.event)
    : isStorm
      ? renderStorm(addToStorm(undefined, batch, false))
      : renderIncident(addToCard(undefined, batch, false));
  const answer = await send(options, rendered);
  if (answer.kind === "ok" && isStorm) gate.added({ openedAt: gate.openedAt(), lastAt: now });
  else if (answer.kind === "ok" && !isAlone) gate.opened();
  return outcomeOf(answer, []);
}

async function send(
  options: HookDeliveryOptions,
  { text, blocks, fallback }: Rendered,
): Promise<SlackAnswer> {
  const common = { unfurl_links: false, unfurl_media: false };
  const answer = await post(options, { ...common, text, blocks });
  const isOurs = answer.kind === "refused" && verdictOf(answer.error) === "plain";
  return isOurs ? await post(options, { ...common, text: fallback }) : answer;
}

async function post({ api, url, attempt, signal }: HookDeliveryOptions, body: object): Promise<SlackAnswer> {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return await api.call({ method: "webhook", url, headers, body: JSON.stringify(body) }, attempt, signal);
}
