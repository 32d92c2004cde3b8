import { RETRY_AFTER_MAX_MS } from "./limits.ts";

/**
 * The pause that a Retry-After header asks for: whole seconds, or a date (RFC 9110, section 10.2.3).
 * @param now milliseconds since 1970
 * @returns milliseconds, at most five minutes; undefined when the header is absent or means nothing
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? "";
  // Date.parse takes much for a date that is none
  const date = text.endsWith(" GMT") ? Date.parse(text) : NaN;
  const at = /^\d+$/.test(text) ? now + Number(text) * 1000 : date;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), RETRY_AFTER_MAX_MS);
}
