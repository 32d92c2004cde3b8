import { InvalidValueError } from "./errors.ts";

/**
 * The value of a 64-bit field that counts bytes.
 * @throws InvalidValueError that names `field` when it is negative or beyond 8 PiB
 */
export function byteCount(field: string, value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidValueError(field, `is ${value}, must be a number of bytes of at least 0`);
  }
  return Number(value);
}
