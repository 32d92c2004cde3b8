import type { RelayEvent } from "../../event/event.ts";
import type { Attempt, Batch, Outcome, SinkState } from "../sink.ts";
import type { BotApi } from "./bot-api.ts";
import { verdictOf } from "./errors.ts";
import { addToCard, byTime, type IncidentCard } from "./incident-card.ts";
import { outcomeOf } from "./outcome.ts";
import { renderAlone, renderIncident, renderReply } from "./render-incident.ts";
import type { SlackAnswer } from "./slack-api.ts";
import {
  blockIdOf,
  readRoot,
  readStorm,
  rootKey,
  stormKey,
  writeState,
  type RootState,
  type StormState,
} from "./state.ts";
import { addToStorm, renderStorm } from "./storm-card.ts";
import type { StormGate } from "./storm-gate.ts";

/** What one attempt of a bot works with. */
export interface BotDeliveryOptions {
  readonly api: BotApi;
  readonly gate: StormGate;
  readonly state: SinkState;
  /** as it is configured: an id or a name */
  readonly channel: string;
  readonly now: () => number;
  readonly attempt: Attempt;
}

/** Whether an event has a message of its own that never changes: it belongs to no incident. */
export function standsAlone({ type }: RelayEvent): boolean {
  return type.startsWith("tote.relay.");
}

/**
 * Brings a channel up to date with a batch: one message for each incident, changed in place, and a reply in its thread
 * for what has happened since. What is remembered of a message changes only when everything of a batch is said, so that
 * an attempt that ends half-way is simply made again: the update is the same, and counts count once.
 */
export async function deliverAsBot(options: BotDeliveryOptions, batch: Batch): Promise<Outcome> {
  const { api, gate, state, channel, attempt } = options;
  const [first] = batch.items;
  if (first === undefined) throw new Error("a batch without events");
  if (batch.isOverflow) return await addToStormMessage(options, batch);
  if (standsAlone(first.event)) return outcomeOf(await api.send({ channel }, renderAlone(first.event)), []);
  const key = rootKey(channel, first.event);
  const root = readRoot(state.get(key));
  const card = addToCard(root?.card, batch, attempt.isReplay);
  if (root !== undefined) return await changeIncident(options, batch, { key, root, card });
  if (!gate.mayOpen()) return await addToStormMessage(options, batch);
  const found = attempt.mayHaveArrived ? await findAgain(options, blockIdOf(key)) : "";
  if (typeof found !== "string") return outcomeOf(found, []);
  const outcome = await openIncident(options, key, card, found);
  if (outcome.kind === "delivered") gate.opened();
  return outcome;
}

interface Change {
  readonly key: string;
  readonly root: RootState;
  /** as it will be */
  readonly card: IncidentCard;
}

async function changeIncident(
  options: BotDeliveryOptions,
  batch: Batch,
  { key, root, card }: Change,
): Promise<Outcome> {
  const { api, attempt } = options;
  const { channel, ts } = root;
  const updated = await api.send({ channel, ts }, renderIncident(card, blockIdOf(key)));
  if (isGone(updated)) return await openIncident(options, key, card, "");
  if (updated.kind !== "ok") return outcomeOf(updated, []);
  const told = transitionsOf(batch, root.card.type);
  const more = batch.total - batch.items.length;
  if (told.length > 0) {
    const reply = renderReply(told, more, attempt.isReplay);
    const replied = await api.send({ channel, thread_ts: ts }, reply);
    if (isGone(replied)) return await openIncident(options, key, card, "");
    if (replied.kind !== "ok") return outcomeOf(replied, []);
  }
  return outcomeOf(updated, [{ key, value: writeState({ channel, ts, card }) }]);
}

/** @param ts of a message that is there already, and only not remembered; "" for none */
async function openIncident(
  { api, channel, state }: BotDeliveryOptions,
  key: string,
  card: IncidentCard,
  ts: string,
): Promise<Outcome> {
  const rendered = renderIncident(card, blockIdOf(key));
  const target = ts === "" ? { channel } : { channel: idOf(channel, state), ts };
  const posted = await api.send(target, rendered);
  if (posted.kind !== "ok") return outcomeOf(posted, []);
  const root = { channel: posted.channel || channel, ts: posted.ts, card };
  return outcomeOf(posted, [
    { key, value: writeState(root) },
    ...(root.channel === channel ? [] : [{ key: idKey(channel), value: root.channel }]),
  ]);
}

async function addToStormMessage(options: BotDeliveryOptions, batch: Batch): Promise<Outcome> {
  const { api, gate, state, channel, attempt, now } = options;
  const key = stormKey(channel);
  const isOn = gate.storm !== undefined;
  const before = isOn ? readStorm(state.get(key)) : undefined;
  const openedAt = gate.openedAt();
  const card = addToStorm(before?.card, batch, attempt.isReplay);
  // the storms of a channel are told apart by their first delivery
  const mark = blockIdOf(`${key}\n${before === undefined ? batch.items[0]?.event.id : openedAt}`);
  const rendered = renderStorm(card, mark);
  let answer: SlackAnswer | undefined;
  if (before !== undefined) {
    answer = await api.send({ channel: before.channel, ts: before.ts }, rendered);
  } else if (attempt.mayHaveArrived) {
    const found = await findAgain(options, mark);
    if (typeof found !== "string") return outcomeOf(found, []);
    if (found !== "") answer = await api.send({ channel: idOf(channel, state), ts: found }, rendered);
  }
  if (answer === undefined || isGone(answer)) answer = await api.send({ channel }, rendered);
  if (answer.kind !== "ok") return outcomeOf(answer, []);
  const storm: StormState = {
    channel: answer.channel || channel,
    ts: answer.ts,
    openedAt,
    lastAt: now(),
    card,
  };
  gate.added(storm);
  return outcomeOf(answer, [{ key, value: writeState(storm) }]);
}

/** Looks whether a message is there that was sent by an attempt of which nothing is known. */
async function findAgain(
  { api, channel, state }: BotDeliveryOptions,
  mark: string,
): Promise<string | SlackAnswer> {
  return await api.find(idOf(channel, state), mark);
}

function isGone(answer: SlackAnswer): boolean {
  return answer.kind === "refused" && verdictOf(answer.error) === "repost";
}

/** Events that the thread is told: all but the repeats of what the message says already, more pods that wait. */
function transitionsOf(batch: Batch, state: string): readonly RelayEvent[] {
  let before = state;
  return byTime(batch.items.map(({ event }) => event)).filter(({ type }) => {
    const isRepeat = type === before && type.endsWith(".detected");
    before = type;
    return !isRepeat;
  });
}

/** Where the id of a channel is remembered that is configured by its name. */
function idKey(channel: string): string {
  return `channel\n${channel}`;
}

/** Some calls take a channel's id only. */
function idOf(channel: string, state: SinkState): string {
  return state.get(idKey(channel)) ?? channel;
}
