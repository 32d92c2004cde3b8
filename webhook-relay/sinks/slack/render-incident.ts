import { formatDuration, formatSize } from "../../../lib/units.ts";
import type { RelayEvent } from "../../event/event.ts";
import { SLACK_TEXT_MAX_CHARS, SLACK_THREAD_LINES } from "../../limits.ts";
import { context, fields, header, paragraph, section, type Rendered } from "./blocks.ts";
import type { Counts, IncidentCard } from "./incident-card.ts";
import { code, plain } from "./text.ts";
import { clockTime, DEBT, wordsOf } from "./words.ts";

/** Longest value of a field. */
const VALUE_CHARS = 300;
/** Longest name in a line of text. */
const NAME_CHARS = 80;

/**
 * The message of an incident as it is now. Pure.
 * @param blockId marks the message, so that it can be found again
 */
export function renderIncident(card: IncidentCard, blockId?: string): Rendered {
  const { texts, type, source } = card;
  const { icon, title } = wordsOf(type);
  const what = nameOf(texts);
  const headline = `${icon} ${plain(what, NAME_CHARS)}: ${plain(title, NAME_CHARS - 20)}`;
  const message = plain(texts.message, 2 * VALUE_CHARS);
  const steps = card.steps.map((step) => `${clockTime(step.time)} ${plain(wordsOf(step.type).name, 40)}`);
  const pairs = [
    ["Image", code(texts.image, VALUE_CHARS)],
    ["Digest", code(texts.digest, VALUE_CHARS)],
    ["Namespace", code(texts.namespace, NAME_CHARS)],
    ["Workload", code(texts.owner, NAME_CHARS)],
    ["Pod", code(texts.pod, NAME_CHARS)],
    ["Why", plain(causeOf(texts), NAME_CHARS)],
    ["On nodes", code(texts.sourceNodes, VALUE_CHARS)],
    ["Wanted on", code(texts.targetNode, NAME_CHARS)],
    ["Moved", moved(card)],
    ["Ran after", card.recoveryMs > 0 ? formatDuration(card.recoveryMs) : ""],
  ] as const;
  const about = `cluster ${code(source, NAME_CHARS)}${countsText(card.counts)}`;
  const known = pairs.filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`);
  return {
    text: `${headline}. ${DEBT}`,
    blocks: [
      header(headline, blockId),
      ...(message === "" ? [] : [paragraph(message)]),
      ...fields(pairs),
      context(`${steps.join(" → ")} (UTC), ${about}`),
      context(`:warning: ${DEBT}`),
    ],
    fallback: joinLines([headline, message, ...known, steps.join(" → "), about], DEBT),
  };
}

/** A reply in the thread of an incident: one line for each event, oldest first. Pure. */
export function renderReply(events: readonly RelayEvent[], more: number, isReplay: boolean): Rendered {
  const lines = events.slice(0, SLACK_THREAD_LINES).map((event) => lineOf(event));
  const rest = more + events.length - lines.length;
  if (rest > 0) lines.push(`and ${rest} more`);
  if (isReplay) lines.push("(sent again)");
  return { text: lines[0] ?? "", blocks: [section(lines.join("\n"))], fallback: joinLines(lines, "") };
}

/** A message that stands alone: a test. Pure. */
export function renderAlone({ type, data, source }: RelayEvent): Rendered {
  const { icon, title } = wordsOf(type);
  const headline = `${icon} ${plain(title, NAME_CHARS)}`;
  const message = plain(data.message ?? "", 2 * VALUE_CHARS) || headline;
  const about = `cluster ${code(source, NAME_CHARS)}`;
  return {
    text: headline,
    blocks: [header(headline), paragraph(message), context(about)],
    fallback: joinLines([headline, message, about], ""),
  };
}

/** " · detected ×3, salvaged ×2", or "" when nothing came more than once. */
export function countsText(counts: Counts): string {
  if (counts.every(([, count]) => count === 1)) return "";
  return ` · ${counts.map(([type, count]) => `${plain(wordsOf(type).name, 40)} ×${count}`).join(", ")}`;
}

/** Lines that fit into a text, and one that is always there at the end. */
export function joinLines(lines: readonly string[], last: string): string {
  let joined = "";
  for (const line of lines.filter((one) => one !== "")) {
    if (joined.length + line.length + last.length + 2 > SLACK_TEXT_MAX_CHARS) break;
    joined += `${line}\n`;
  }
  return `${joined}${last}`.trimEnd();
}

function lineOf({ type, time, data }: RelayEvent): string {
  const { icon, title } = wordsOf(type);
  const { sourceNodes = [], targetNode = "", bytes = 0, durationMs = 0, message = "", pod = "" } = data;
  const details = [
    code(pod, NAME_CHARS),
    sourceNodes.length > 0 ? `from ${code(sourceNodes[0] ?? "", 40)}` : "",
    targetNode === "" ? "" : `to ${code(targetNode, 40)}`,
    bytes > 0 ? formatSize(bytes) : "",
    durationMs > 0 ? `in ${formatDuration(durationMs)}` : "",
    plain(message, 2 * NAME_CHARS),
  ];
  return `${clockTime(time)} ${icon} ${plain(title, NAME_CHARS)}: ${details.filter((one) => one !== "").join(" ")}`;
}

function nameOf({ namespace, owner, pod, image }: IncidentCard["texts"]): string {
  const workload = owner === "" ? pod : owner;
  const name = workload === "" ? image : workload;
  return namespace === "" ? name : `${namespace}/${name}`;
}

function causeOf({ cause, reason }: IncidentCard["texts"]): string {
  if (cause === "" || reason === "") return `${cause}${reason}`;
  return `${cause} (${reason})`;
}

function moved({ bytes, transferMs }: IncidentCard): string {
  if (bytes === 0 && transferMs === 0) return "";
  return `${formatSize(bytes)} in ${formatDuration(transferMs)}`;
}
