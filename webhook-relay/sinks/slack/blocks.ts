import {
  SLACK_CONTEXT_MAX_CHARS,
  SLACK_FIELD_MAX_CHARS,
  SLACK_FIELDS_MAX,
  SLACK_HEADER_MAX_CHARS,
  SLACK_SECTION_MAX_CHARS,
} from "../../limits.ts";

/**
 * The few blocks that messages are made of (https://docs.slack.dev/reference/block-kit/blocks). All texts are escaped
 * already; `verbatim` keeps Slack from making links of what looks like one.
 */

/** A text that is shown as it is. */
export interface PlainText {
  readonly type: "plain_text";
  readonly text: string;
  readonly emoji: false;
}

/** A text with `*bold*` and code. */
export interface Mrkdwn {
  readonly type: "mrkdwn";
  readonly text: string;
  readonly verbatim: true;
}

/** A block. */
export type Block =
  | { readonly type: "header"; readonly block_id?: string; readonly text: PlainText }
  | { readonly type: "section"; readonly text: PlainText | Mrkdwn }
  | { readonly type: "section"; readonly fields: readonly Mrkdwn[] }
  | { readonly type: "context"; readonly elements: readonly Mrkdwn[] };

/** What is posted: blocks, a text for notifications, and a text that says all of it where blocks are not taken. */
export interface Rendered {
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly fallback: string;
}

export function header(text: string, blockId?: string): Block {
  const content = plainText(bounded(text, SLACK_HEADER_MAX_CHARS));
  return { type: "header", ...(blockId !== undefined && { block_id: blockId }), text: content };
}

/** Text as it is. */
export function paragraph(text: string): Block {
  return { type: "section", text: plainText(bounded(text, SLACK_SECTION_MAX_CHARS)) };
}

/** Formatted text. */
export function section(text: string): Block {
  return { type: "section", text: mrkdwn(bounded(text, SLACK_SECTION_MAX_CHARS)) };
}

/** Names and values side by side; values that are empty are left out, and so is a list without any. */
export function fields(pairs: readonly (readonly [name: string, value: string])[]): readonly Block[] {
  const texts = pairs
    .filter(([, value]) => value !== "")
    .slice(0, SLACK_FIELDS_MAX)
    .map(([name, value]) => mrkdwn(bounded(`*${name}*\n${value}`, SLACK_FIELD_MAX_CHARS)));
  return texts.length === 0 ? [] : [{ type: "section", fields: texts }];
}

/** Small print. */
export function context(text: string): Block {
  return { type: "context", elements: [mrkdwn(bounded(text, SLACK_CONTEXT_MAX_CHARS))] };
}

/**
 * Every text is made to measure before it comes here; one that is too long all the same is a mistake of the renderer.
 * @throws RangeError
 */
function bounded(text: string, max: number): string {
  if (text !== "" && text.length <= max) return text;
  throw new RangeError(`a text of a block has ${text.length} characters, must be 1 to ${max}`);
}

function plainText(text: string): PlainText {
  return { type: "plain_text", text, emoji: false };
}

function mrkdwn(text: string): Mrkdwn {
  return { type: "mrkdwn", text, verbatim: true };
}
