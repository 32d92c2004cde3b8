import {
  ATTEMPTS_MAX,
  FAILED_RECHECK_MAX_MS,
  FAILED_RECHECK_MS,
  RETRY_BASE_MS,
  RETRY_MAX_MS,
} from "../limits.ts";

/** Share of a pause that is left to chance, so that what failed together does not come back together. */
const JITTER = 0.2;

/**
 * Milliseconds to wait before the next attempt of a salvage, or undefined when there have been enough.
 * @param failures attempts that failed since a byte last arrived, at least 1
 * @param random from 0 up to 1
 */
export function retryDelay(failures: number, random: number): number | undefined {
  if (failures >= ATTEMPTS_MAX) return undefined;
  const pause = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (failures - 1));
  return Math.round(pause * (1 - JITTER + 2 * JITTER * random));
}

/**
 * Milliseconds after its end during which a failed record is the last word.
 * @param episode how many records there have been, at least 1
 */
export function recheckDelay(episode: number): number {
  return Math.min(FAILED_RECHECK_MAX_MS, FAILED_RECHECK_MS * 2 ** Math.min(episode - 1, 20));
}
