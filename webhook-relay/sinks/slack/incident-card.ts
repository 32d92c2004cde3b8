import type { EventData, RelayEvent } from "../../event/event.ts";
import { SLACK_CARD_STEPS, SLACK_CARD_TEXT_MAX_CHARS, SLACK_COUNTS_MAX } from "../../limits.ts";
import type { Batch } from "../sink.ts";
import { cut } from "./text.ts";

/** What the message of an incident shows; kept in the store, so that the next event can be added to it. */
export interface IncidentCard {
  /** of the newest event */
  readonly type: string;
  /** of the newest event, RFC 3339 */
  readonly time: string;
  /** of the oldest event */
  readonly since: string;
  readonly source: string;
  readonly texts: CardTexts;
  readonly bytes: number;
  /** how long the transfer took, and how long until the container ran, in milliseconds */
  readonly transferMs: number;
  readonly recoveryMs: number;
  /** events by type */
  readonly counts: Counts;
  /** how the state changed, oldest first */
  readonly steps: readonly Step[];
}

/** How many events there were of each type, sorted by type. */
export type Counts = readonly (readonly [type: string, count: number])[];

/** A change of state. */
export interface Step {
  readonly type: string;
  readonly time: string;
}

const TEXT_NAMES = [
  "incident",
  "namespace",
  "owner",
  "pod",
  "image",
  "digest",
  "cause",
  "reason",
  "sourceNodes",
  "targetNode",
  "message",
] as const;

/** Texts by name, "" for what is not known. */
export type CardTexts = Readonly<Record<(typeof TEXT_NAMES)[number], string>>;

/** Nodes that are named before "and 3 more". */
const NODES_SHOWN = 3;

/**
 * Adds a batch of one incident to what its message shows. An event that is older than what is shown fills gaps and takes
 * its place among the steps, but never becomes the state. Pure.
 * @param isReplay its events were counted before
 */
export function addToCard(before: IncidentCard | undefined, batch: Batch, isReplay: boolean): IncidentCard {
  const events = byTime(batch.items.map(({ event }) => event));
  const [first] = events;
  if (first === undefined) throw new Error("a batch without events");
  let card = before ?? emptyCard(first);
  for (const event of events) card = addEvent(card, event);
  const isFresh = before === undefined || !isReplay;
  return {
    ...card,
    since: earlier(card.since, batch.firstTime),
    counts: isFresh ? addCounts(card.counts, batch.tallies) : card.counts,
  };
}

/** Events by their times; those of the same time stay as they came. Pure. */
export function byTime(events: readonly RelayEvent[]): readonly RelayEvent[] {
  return events.toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
}

/** Adds up by type. Past a bound, types that are new are counted together as "other". Pure. */
export function addCounts(
  before: Counts,
  added: readonly { readonly type: string; readonly count: number }[],
): Counts {
  const counts = new Map(before);
  for (const { type, count } of added) {
    const name = counts.has(type) || counts.size < SLACK_COUNTS_MAX ? type : "other";
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function emptyCard({ type, time, source }: RelayEvent): IncidentCard {
  const nothing = Object.fromEntries(TEXT_NAMES.map((name) => [name, ""]));
  return {
    type,
    time,
    since: time,
    source: cut(source, SLACK_CARD_TEXT_MAX_CHARS),
    texts: completeTexts(nothing),
    bytes: 0,
    transferMs: 0,
    recoveryMs: 0,
    counts: [],
    steps: [],
  };
}

function addEvent(card: IncidentCard, event: RelayEvent): IncidentCard {
  const { type, time, data } = event;
  const isNewest = Date.parse(time) >= Date.parse(card.time);
  const texts = textsOf(data);
  const merged = TEXT_NAMES.map((name) => {
    const [old, given] = [card.texts[name], texts[name]];
    // what a state says about itself goes with the state
    if (name === "message") return [name, isNewest ? given : old] as const;
    return [name, isNewest ? given || old : old || given] as const;
  });
  const { bytes = 0, durationMs = 0 } = data;
  return {
    ...card,
    ...(isNewest && { type, time }),
    texts: completeTexts(Object.fromEntries(merged)),
    bytes: bytes || card.bytes,
    transferMs: type.endsWith(".salvaged") ? durationMs : card.transferMs,
    recoveryMs: type.endsWith(".recovered") ? durationMs : card.recoveryMs,
    steps: addStep(card.steps, { type, time }),
  };
}

/** Of steps of one type in a row only the first is kept; of too many the oldest goes, but for the very first. */
function addStep(steps: readonly Step[], step: Step): readonly Step[] {
  const sorted = [...steps, step].toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
  const changes = sorted.filter(({ type }, at) => sorted[at - 1]?.type !== type);
  return changes.length <= SLACK_CARD_STEPS
    ? changes
    : [...changes.slice(0, 1), ...changes.slice(1 - SLACK_CARD_STEPS)];
}

function textsOf(data: EventData): CardTexts {
  const { owner, sourceNodes = [], cause = "", digest = "", image = "", message = "" } = data;
  const { incident = "", namespace = "", pod = "", reason = "", targetNode = "" } = data;
  const shown = sourceNodes.slice(0, NODES_SHOWN).map((node) => cut(node, SLACK_CARD_TEXT_MAX_CHARS / 4));
  const more = sourceNodes.length > NODES_SHOWN ? ` and ${sourceNodes.length - NODES_SHOWN} more` : "";
  const all = {
    incident,
    namespace,
    pod,
    image,
    digest,
    cause,
    reason,
    targetNode,
    message,
    owner: owner === undefined ? "" : `${owner.kind}/${owner.name}`,
    sourceNodes: `${shown.join(", ")}${more}`,
  };
  return completeTexts(all);
}

function completeTexts(texts: Readonly<Record<string, string>>): CardTexts {
  const text = (name: keyof CardTexts): string =>
    cut(texts[name] ?? "", name === "message" ? 2 * SLACK_CARD_TEXT_MAX_CHARS : SLACK_CARD_TEXT_MAX_CHARS);
  return {
    incident: text("incident"),
    namespace: text("namespace"),
    owner: text("owner"),
    pod: text("pod"),
    image: text("image"),
    digest: text("digest"),
    cause: text("cause"),
    reason: text("reason"),
    sourceNodes: text("sourceNodes"),
    targetNode: text("targetNode"),
    message: text("message"),
  };
}

function earlier(one: string, other: string): string {
  return Date.parse(other) < Date.parse(one) ? other : one;
}
