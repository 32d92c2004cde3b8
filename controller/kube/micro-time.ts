const MICRO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * A time as leases and events want it: RFC 3339 with exactly six digits of a second. The API server answers 400 to the
 * three digits of `Date.toISOString`. Source: k8s.io/apimachinery, MicroTime.
 * @param now milliseconds since 1970
 */
export function formatMicroTime(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}

/** Whether the API server would take this as a MicroTime. */
export function isMicroTime(text: string): boolean {
  return MICRO_TIME.test(text) && !Number.isNaN(Date.parse(text));
}
