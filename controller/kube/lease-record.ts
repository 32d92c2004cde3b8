import { formatMicroTime } from "./micro-time.ts";
import type { Lease } from "./objects.ts";

/** Who holds a lease, and how it is to be left. Written to `spec` of a Lease. */
export interface LeaseSpec {
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number;
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly leaseTransitions: number;
}

/** What a lease is taken with. */
export interface Claim {
  readonly identity: string;
  readonly leaseDurationMs: number;
  /** milliseconds since 1970 */
  readonly now: number;
  /** the largest number of a term that this process has seen, 0 for none */
  readonly lastTransition: number;
}

/**
 * The spec with which a term begins. Each term has a number larger than every one before it.
 * @param before the lease as it is, undefined when there is none
 */
export function takenLease(before: Lease | undefined, claim: Claim): LeaseSpec {
  const time = formatMicroTime(claim.now);
  return {
    holderIdentity: claim.identity,
    leaseDurationSeconds: Math.ceil(claim.leaseDurationMs / 1000),
    acquireTime: time,
    renewTime: time,
    leaseTransitions: Math.max(
      before === undefined ? termByTime(claim.now) : (before.spec?.leaseTransitions ?? 0) + 1,
      claim.lastTransition + 1,
    ),
  };
}

/** The spec that says that the holder is alive. */
export function renewedLease(held: LeaseSpec, now: number): LeaseSpec {
  return { ...held, renewTime: formatMicroTime(now) };
}

/** The spec of a lease that its holder gives back: whoever comes next need not wait. */
export function releasedLease(held: LeaseSpec, now: number): LeaseSpec {
  const time = formatMicroTime(now);
  return { ...held, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: time, renewTime: time };
}

/** from when the seconds are counted that number the first term of a new lease; they fit 32 bits until 2092 */
const TRANSITIONS_FROM = Date.parse("2024-01-01T00:00:00Z");

/**
 * The number of a term that no lease says anything about: seconds since 2024. Were it 0 for a new lease, then somebody who
 * deletes the lease would lock its next holder out, since agents refuse orders of a term smaller than one that they have
 * seen. Whoever leads without a lease is numbered so at each start.
 *
 * @param now milliseconds since 1970
 */
export function termByTime(now: number): number {
  return Math.max(0, Math.floor((now - TRANSITIONS_FROM) / 1000));
}
