/** Texts of strangers as Slack may be given them: nothing in them formats, links or calls anybody. Pure. */

/** Control characters, line ends among them, and what turns the direction of writing or is not seen. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;
/** Words that call a whole channel where they are parsed. */
const CALLS = /@(?=channel|here|everyone|group)/gi;
/** Stands between what must not be read as one. */
const NOTHING = "\u200b";
const ELLIPSIS = "…";

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
]);

/**
 * A text on one line, escaped as Slack wants it, without links and calls.
 * @param max longest result in UTF-16 units; what is cut ends in "…", never inside a character or an escape
 */
export function plain(text: string, max: number): string {
  return fit(clean(text).replace(CALLS, `@${NOTHING}`).replaceAll("://", `:${NOTHING}//`), max);
}

/** The same as a code span of mrkdwn; "" for a text that is empty. A code span is neither formatted nor linked. */
export function code(text: string, max: number): string {
  const inside = fit(clean(text).replaceAll("`", "'").replace(CALLS, `@${NOTHING}`), max - 2);
  return inside === "" ? "" : `\`${inside}\``;
}

/** Cuts a text to so many UTF-16 units before it is kept; never inside a character. */
export function cut(text: string, max: number): string {
  const whole = text.toWellFormed();
  if (whole.length <= max) return whole;
  return `${whole.slice(0, endBefore(whole, max - ELLIPSIS.length))}${ELLIPSIS}`;
}

/** Spaces instead of what is not seen, and U+FFFD instead of halves of characters. */
function clean(text: string): string {
  return text.toWellFormed().replace(UNSEEN, " ").trim();
}

/** Escapes as much of a text as there is room for. */
function fit(text: string, max: number): string {
  let whole = "";
  let cutAt = "";
  for (const character of text) {
    whole += ESCAPES.get(character) ?? character;
    if (whole.length <= max - ELLIPSIS.length) cutAt = whole;
    if (whole.length > max) return `${cutAt}${ELLIPSIS}`;
  }
  return whole;
}

/** The largest index up to `max` that does not part a pair of surrogates. */
function endBefore(text: string, max: number): number {
  const last = text.charCodeAt(max - 1);
  return last >= 0xd800 && last <= 0xdbff ? max - 1 : max;
}
