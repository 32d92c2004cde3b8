import assert from "node:assert/strict";
import { test } from "node:test";

import { releasedLease, renewedLease, takenLease } from "./lease-record.ts";

const NOW = Date.parse("2024-01-01T01:00:00.5Z");
const CLAIM = { identity: "one", leaseDurationMs: 15_000, now: NOW, lastTransition: 0 };
const TIME = "2024-01-01T01:00:00.500000Z";

function leaseOf(leaseTransitions: number) {
  return { metadata: { name: "l" }, spec: { leaseTransitions } };
}

test("a term counts on from the lease", () => {
  assert.deepEqual(takenLease(leaseOf(7), CLAIM), {
    holderIdentity: "one",
    leaseDurationSeconds: 15,
    acquireTime: TIME,
    renewTime: TIME,
    leaseTransitions: 8,
  });
  assert.equal(takenLease({ metadata: { name: "l" } }, CLAIM).leaseTransitions, 1);
});

test("the first term of a lease is numbered by the time, so that a lease that was deleted does not begin anew", () => {
  assert.equal(takenLease(undefined, CLAIM).leaseTransitions, 3600);
  assert.equal(takenLease(undefined, { ...CLAIM, now: 0 }).leaseTransitions, 1);
  const late = takenLease(undefined, { ...CLAIM, now: Date.parse("2090-01-01T00:00:00Z") });
  assert.ok(late.leaseTransitions < 2 ** 31, "it is a 32 bit number");
});

test("a term is larger than any that was seen, whatever the lease and the clock say", () => {
  const claim = { ...CLAIM, lastTransition: 5000 };
  assert.equal(takenLease(undefined, claim).leaseTransitions, 5001);
  assert.equal(takenLease(leaseOf(7), claim).leaseTransitions, 5001);
});

test("a renewal changes the time alone, and who gives the lease back leaves nobody waiting", () => {
  const held = takenLease(leaseOf(7), CLAIM);
  assert.deepEqual(renewedLease(held, NOW + 2000), { ...held, renewTime: "2024-01-01T01:00:02.500000Z" });
  const { holderIdentity, leaseDurationSeconds, leaseTransitions } = releasedLease(held, NOW);
  assert.deepEqual([holderIdentity, leaseDurationSeconds, leaseTransitions], ["", 1, 8]);
});
