import type { RelayEvent } from "../../event/event.ts";
import { SLACK_CARD_TEXT_MAX_CHARS, SLACK_STORM_SAMPLES } from "../../limits.ts";
import type { Batch } from "../sink.ts";
import { context, header, section, type Rendered } from "./blocks.ts";
import { addCounts, byTime, type Counts } from "./incident-card.ts";
import { countsText, joinLines } from "./render-incident.ts";
import { code, cut } from "./text.ts";
import { clockTime, DEBT, wordsOf } from "./words.ts";

/** What one message shows that stands for events of many incidents. */
export interface StormCard {
  readonly source: string;
  readonly total: number;
  readonly counts: Counts;
  /** times of the earliest and the latest event */
  readonly first: string;
  readonly last: string;
  /** some of the events: the first ones, and the latest */
  readonly samples: readonly Sample[];
}

/** One event among many. */
export interface Sample {
  readonly type: string;
  readonly time: string;
  readonly name: string;
  readonly image: string;
}

/**
 * Adds a batch to what is shown. Pure.
 * @param isReplay its events were sent before: those of the time that is shown are counted already
 */
export function addToStorm(before: StormCard | undefined, batch: Batch, isReplay: boolean): StormCard {
  const events = byTime(batch.items.map(({ event }) => event));
  const samples = [...(before?.samples ?? []), ...events.map(toSample)];
  const kept =
    samples.length <= SLACK_STORM_SAMPLES
      ? samples
      : [...samples.slice(0, SLACK_STORM_SAMPLES / 2), ...samples.slice(-SLACK_STORM_SAMPLES / 2)];
  const { firstTime, lastTime } = batch;
  const isFirst = before === undefined || Date.parse(firstTime) < Date.parse(before.first);
  const isLast = before === undefined || Date.parse(lastTime) > Date.parse(before.last);
  const isCounted = isReplay && !isFirst && !isLast;
  return {
    source: before?.source ?? cut(events[0]?.source ?? "", SLACK_CARD_TEXT_MAX_CHARS),
    total: (before?.total ?? 0) + (isCounted ? 0 : batch.total),
    counts: addCounts(before?.counts ?? [], isCounted ? [] : batch.tallies),
    first: isFirst ? firstTime : before.first,
    last: isLast ? lastTime : before.last,
    samples: kept,
  };
}

/** The message of a storm. Pure. */
export function renderStorm(card: StormCard, blockId?: string): Rendered {
  const { total, samples, source, first, last } = card;
  const headline = `🌩️ Many incidents at once: ${total} ${total === 1 ? "event" : "events"}`;
  const lines = samples.map(
    ({ type, time, name, image }) =>
      `${clockTime(time)} ${wordsOf(type).icon} ${code(name, 80)} ${code(image, 100)}`,
  );
  const rest = total - samples.length;
  if (rest > 0) lines.splice(SLACK_STORM_SAMPLES / 2, 0, `… and ${rest} more …`);
  const counts = countsText(card.counts).replace(" · ", "");
  const about = `${clockTime(first)} to ${clockTime(last)} (UTC), cluster ${code(source, 80)}`;
  return {
    text: `${headline}${counts === "" ? "" : `: ${counts}`}. ${DEBT}`,
    blocks: [
      header(headline, blockId),
      ...(counts === "" ? [] : [section(counts)]),
      section(lines.join("\n")),
      context(about),
      context(`:warning: ${DEBT}`),
    ],
    fallback: joinLines([headline, counts, ...lines, about], DEBT),
  };
}

function toSample({ type, time, subject, data }: RelayEvent): Sample {
  const { owner, namespace = "" } = data;
  const name = owner === undefined ? subject : `${namespace}/${owner.name}`;
  return { type, time, name: cut(name, 100), image: cut(data.image ?? "", 160) };
}
