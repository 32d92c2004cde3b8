const LINE_FEED = 0x0a;

/** A line is larger than the limit: what follows cannot be read. */
export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
}

/**
 * Splits a stream of bytes into lines and parses each as JSON. Lines may be cut anywhere, also inside a character; empty
 * ones are passed over. A last line without its end is dropped: the stream was cut off, and what it says is not whole.
 * @param maxBytes largest line
 * @throws LineTooLongError as soon as a line exceeds `maxBytes`; SyntaxError when a line is no JSON
 */
export async function* readJsonLines(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<unknown, void, undefined> {
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (;;) {
      const end = piece.indexOf(LINE_FEED, start);
      const part = piece.subarray(start, end < 0 ? piece.length : end);
      assertLineLength(begunBytes + part.length, maxBytes);
      if (end < 0) {
        if (part.length > 0) begun.push(part);
        begunBytes += part.length;
        break;
      }
      const text = decode(begun, part);
      begun = [];
      begunBytes = 0;
      start = end + 1;
      if (text.trim() !== "") yield JSON.parse(text);
    }
  }
}

function decode(begun: readonly Uint8Array[], last: Uint8Array): string {
  return new TextDecoder().decode(begun.length === 0 ? last : Buffer.concat([...begun, last]));
}

function assertLineLength(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new LineTooLongError(`line has more than ${maxBytes} bytes, read ${bytes} without an end`);
  }
}
