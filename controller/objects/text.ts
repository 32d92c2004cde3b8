/** Cutting of texts that may be huge. What is returned never keeps the whole text in memory. */

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Stands for what was left out. */
const ELLIPSIS = "…";

/** The first `max` characters, the last of them "…" when the text is longer. Half a surrogate pair is not left over. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  return copy(`${wholePairs(text.slice(0, max - 1))}${ELLIPSIS}`);
}

/** The first `head` and the last `tail` characters, with " … " in between when something is left out. */
export function cutMiddle(text: string, head: number, tail: number): string {
  if (text.length <= head + tail) return text;
  const end = text.slice(text.length - tail);
  return copy(
    `${wholePairs(text.slice(0, head))} ${ELLIPSIS} ${isLowSurrogate(end, 0) ? end.slice(1) : end}`,
  );
}

/** The text in at most `max` bytes of UTF-8, ending in "…" when it is longer; no character is broken. */
export function cutUtf8(text: string, max: number): string {
  // no character has more than three bytes for each UTF-16 unit, and none less than one
  const bytes = ENCODER.encode(text.slice(0, max + 1));
  if (text.length <= max && bytes.length <= max) return DECODER.decode(bytes);
  let end = max - ENCODER.encode(ELLIPSIS).length;
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return `${DECODER.decode(bytes.subarray(0, end))}${ELLIPSIS}`;
}

/** A copy of its own: a slice would keep the text it was cut from, and lone surrogates are no UTF-8. */
function copy(text: string): string {
  return DECODER.decode(ENCODER.encode(text));
}

function wholePairs(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd8_00 && last <= 0xdb_ff ? text.slice(0, -1) : text;
}

function isLowSurrogate(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0xdc_00 && code <= 0xdf_ff;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000;
}
