import { InvalidValueError } from "./errors.ts";

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3], // U+00B5
  ["μs", 1e-3], // U+03BC
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["K", 1e3],
  ["M", 1e6],
  ["G", 1e9],
  ["T", 1e12],
  ["P", 1e15],
  ["Ki", 2 ** 10],
  ["Mi", 2 ** 20],
  ["Gi", 2 ** 30],
  ["Ti", 2 ** 40],
  ["Pi", 2 ** 50],
]);

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Longest duration that is accepted, in hours: ten years. */
const MAX_DURATION_HOURS = 10 * 365 * 24;

/**
 * Parses a duration as Go's `time.ParseDuration` does ("5m", "1h30m", "1.5s", "250ms", "0"), but not a negative one.
 * @returns milliseconds, with a fraction for less than one
 * @throws InvalidValueError that names `field` and the value found
 */
export function parseDuration(value: string, field = "duration"): number {
  const expected = 'must be a duration such as "250ms", "30s", "5m" or "1h30m"';
  if (value === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(value)) {
    const hint = /^\d+$/.test(value) ? ", the unit is missing" : "";
    throw new InvalidValueError(field, `${JSON.stringify(value)}${hint}, ${expected}`);
  }
  let milliseconds = 0;
  for (const [, amount, unit] of value.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    milliseconds += Number(amount) * (DURATION_UNITS.get(unit ?? "") ?? Number.NaN);
  }
  if (milliseconds > MAX_DURATION_HOURS * 3_600_000) {
    throw new InvalidValueError(
      field,
      `${JSON.stringify(value)} is too long, at most ${MAX_DURATION_HOURS}h`,
    );
  }
  return roundTo(milliseconds, 6);
}

/**
 * Writes milliseconds as a duration that {@link parseDuration} reads back: "1h30m", "1.5s", "250ms", "0s". From a
 * second on, nothing below a millisecond is shown.
 */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return String(milliseconds);
  if (milliseconds < 0) return `-${formatDuration(-milliseconds)}`;
  if (milliseconds < 1) return milliseconds === 0 ? "0s" : `${roundTo(milliseconds * 1000, 3)}us`;
  if (milliseconds < 1000) return `${roundTo(milliseconds, 3)}ms`;
  const total = Math.round(milliseconds);
  const hours = Math.floor(total / 3_600_000);
  const minutes = Math.floor((total % 3_600_000) / 60_000);
  const seconds = (total % 60_000) / 1000;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${seconds > 0 ? `${seconds}s` : ""}`;
}

/**
 * Parses a size as Kubernetes writes quantities: "2147483648", "500M" (powers of ten), "2Gi" (powers of two), "1.5Gi";
 * a trailing "B" is allowed.
 * @returns whole bytes
 * @throws InvalidValueError that names `field` and the value found
 */
export function parseSize(value: string, field = "size"): number {
  const match = /^(\d+(?:\.\d+)?)([kKMGTP]?i?)B?$/.exec(value);
  const factor = SIZE_UNITS.get(match?.[2] ?? "");
  if (match === null || factor === undefined) {
    throw new InvalidValueError(
      field,
      `${JSON.stringify(value)}, must be a size such as "2147483648", "500M" or "2Gi"`,
    );
  }
  const bytes = Math.round(Number(match[1]) * factor);
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidValueError(field, `${JSON.stringify(value)} is too large, at most 7Pi`);
  }
  return bytes;
}

/** Writes bytes as the shortest text that {@link parseSize} reads back to the same number: "2Gi", "500M", "1234". */
export function formatExactSize(bytes: number): string {
  const candidates = [...SIZE_UNITS]
    .filter(([unit, factor]) => unit !== "k" && bytes > 0 && bytes % factor === 0)
    .map(([unit, factor]) => `${bytes / factor}${unit}`);
  return candidates.reduce((best, next) => (next.length < best.length ? next : best), String(bytes));
}

/** Writes bytes for people, in binary units with up to one decimal: "512 B", "1.5 GiB". */
export function formatSize(bytes: number): string {
  if (bytes < 0) return `-${formatSize(-bytes)}`;
  let amount = bytes;
  let index = 0;
  while (index < BINARY_UNITS.length - 1 && roundTo(amount, 1) >= 1024) {
    amount /= 1024;
    index += 1;
  }
  return `${roundTo(amount, index === 0 ? 0 : 1)} ${BINARY_UNITS[index]}`;
}

function roundTo(value: number, digits: number): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
