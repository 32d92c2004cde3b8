import { RETRY_AFTER_MAX_MS } from "../limits.ts";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/**
 * How long a receiver asks to be left alone (RFC 9110, 10.2.3): seconds, or a date in any of the three forms that HTTP
 * knows. A date is compared with the receiver's own clock when it shows one, so that clocks may differ. Pure.
 * @param date the answer's `Date` header, if any
 * @param now milliseconds since 1970
 * @returns milliseconds, at most {@link RETRY_AFTER_MAX_MS}; undefined when it asks for nothing that can be understood
 */
export function parseRetryAfter(
  value: string | undefined,
  date: string | undefined,
  now: number,
): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.min(Math.ceil(Number(text) * 1000), RETRY_AFTER_MAX_MS);
  const until = parseHttpDate(text, now);
  if (until === undefined) return undefined;
  const receiverNow = parseHttpDate(date?.trim() ?? "", now) ?? now;
  return Math.min(Math.max(0, until - receiverNow), RETRY_AFTER_MAX_MS);
}

/** "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" or "Sun Nov  6 08:49:37 1994": milliseconds since 1970. */
function parseHttpDate(text: string, now: number): number | undefined {
  const fixed =
    /^[a-z]+, (\d{1,2})[ -]([a-z]{3})[ -](\d{2}|\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:gmt|utc)$/i.exec(text);
  if (fixed !== null) {
    const [, day, month, year, hour, minute, second] = fixed;
    return toTime([
      fullYear(year ?? "", now),
      month ?? "",
      day ?? "",
      hour ?? "",
      minute ?? "",
      second ?? "",
    ]);
  }
  const asctime = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i.exec(text);
  if (asctime === null) return undefined;
  const [, month, day, hour, minute, second, year] = asctime;
  return toTime([year ?? "", month ?? "", day ?? "", hour ?? "", minute ?? "", second ?? ""]);
}

/** A year of two digits that would lie more than 50 years ahead is of the century before. */
function fullYear(year: string, now: number): string {
  if (year.length === 4) return year;
  const thisYear = new Date(now).getUTCFullYear();
  const sameCentury = thisYear - (thisYear % 100) + Number(year);
  return String(sameCentury > thisYear + 50 ? sameCentury - 100 : sameCentury);
}

function toTime(parts: readonly [string, string, string, string, string, string]): number | undefined {
  const [year, monthName, day, hour, minute, second] = parts;
  const month = MONTHS.indexOf(monthName.toLowerCase());
  if (month < 0) return undefined;
  return Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second));
}
