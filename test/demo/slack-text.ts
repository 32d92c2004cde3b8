/** A message of Slack as a reader sees it, for a terminal. Pure. */

const BAR = "  | ";
/** Width of the names of fields. */
const NAME_WIDTH = 10;

/** Lines of blocks (https://docs.slack.dev/reference/block-kit/blocks), as far as the relay sends them. */
export function blockLines(blocks: readonly unknown[]): readonly string[] {
  return blocks.flatMap((block) => [
    ...linesOf(property(block, "text")),
    ...listOf(property(block, "fields")).map(fieldLine),
    ...listOf(property(block, "elements")).flatMap(linesOf),
  ]);
}

/** Lines behind a bar; those that were not there before begin with "~". */
export function markChanges(before: readonly string[], now: readonly string[]): string {
  return now
    .map((line) => (before.length > 0 && !before.includes(line) ? BAR.replace("  ", "~ ") : BAR) + line)
    .join("\n");
}

function linesOf(text: unknown): readonly string[] {
  const found = shown(property(text, "text"));
  return found === "" ? [] : found.split("\n");
}

/** "*Name*\nvalue" on one line. */
function fieldLine(field: unknown): string {
  const [name = "", value = ""] = linesOf(field);
  return `${name.padEnd(NAME_WIDTH)} ${value}`;
}

/** Without marks, and with the characters that escapes stand for. */
function shown(text: unknown): string {
  if (typeof text !== "string") return "";
  return text
    .replaceAll(/[*`\u200b]/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
