import { severityRank, type RelayEvent } from "../event/event.ts";
import type { EventFilter } from "./subscription.ts";

/** Types are long; people write their last word. */
const TYPE_PREFIX = "tote.image.";

/** Why a filter does not want an event, in one line; "" when it does. Pure. */
export function mismatch(filter: EventFilter, event: RelayEvent): string {
  const { type, data } = event;
  const { namespace = "", severity = "" } = data;
  if (filter.events.length > 0 && !filter.events.some((glob) => matchesType(glob, type))) {
    return `events: ${type} is not among ${filter.events.join(", ")}`;
  }
  if (filter.namespaces.length > 0 && !filter.namespaces.some((glob) => matchesGlob(glob, namespace))) {
    return `namespaces: ${JSON.stringify(namespace)} is not among ${filter.namespaces.join(", ")}`;
  }
  if (filter.minSeverity !== undefined && severityRank(severity) < severityRank(filter.minSeverity)) {
    return `severity: ${JSON.stringify(severity)} is less than ${filter.minSeverity}`;
  }
  if (filter.severities.length > 0 && !filter.severities.includes(severity)) {
    return `severity: ${JSON.stringify(severity)} is not among ${filter.severities.join(", ")}`;
  }
  return "";
}

/** Whether a glob over types matches; without a dot it is about the last word of "tote.image.<word>". */
export function matchesType(glob: string, type: string): boolean {
  if (matchesGlob(glob, type)) return true;
  return (
    !glob.includes(".") && type.startsWith(TYPE_PREFIX) && matchesGlob(glob, type.slice(TYPE_PREFIX.length))
  );
}

/** Whether a glob matches a whole text; `*` stands for any characters, also none. Linear in the length of the text. */
export function matchesGlob(glob: string, text: string): boolean {
  const parts = glob.split("*");
  const [first = ""] = parts;
  const last = parts.at(-1) ?? "";
  if (parts.length === 1) return glob === text;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
