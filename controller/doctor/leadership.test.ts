import assert from "node:assert/strict";
import { test } from "node:test";

import type { Clock } from "../../lib/clock.ts";
import { ApiError } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import type { KubeObject, Lease } from "../kube/objects.ts";
import type { KubeResource } from "../kube/resources.ts";
import { observeLeadership } from "./leadership.ts";

const signal = new AbortController().signal;

/** Leadership as seen when the Lease is as the function says, in milliseconds after the start. */
async function see(leaseAt: (ms: number) => Lease["spec"] | undefined) {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms) => void (now += ms),
  };
  const api: Pick<KubeApi, "get"> = {
    async get<T extends KubeObject>(of: KubeResource<T>): Promise<T> {
      const spec = leaseAt(now);
      if (spec === undefined)
        throw new ApiError("get lease", { status: 404, reason: "NotFound", message: "" });
      const lease: unknown = { metadata: { name: "tote-controller" }, spec };
      if (!of.is(lease)) throw new Error("no lease");
      return lease;
    },
  };
  return await observeLeadership({ api, clock, namespace: "tote", name: "tote-controller" }, signal);
}

test("a lease that is renewed is held, whatever the clocks say", async () => {
  const spec = (ms: number) => ({
    holderIdentity: "one",
    renewTime: `1999-01-01T00:00:0${Math.floor(ms / 2000)}.000000Z`,
  });
  assert.deepEqual(await see(spec), { kind: "held", holder: "one" });
});

test("a lease that nobody renews is stale, one without a holder free, and none absent", async () => {
  const renewTime = "2026-01-01T00:00:00.000000Z";
  assert.deepEqual(await see(() => ({ holderIdentity: "one", renewTime })), { kind: "stale", holder: "one" });
  assert.deepEqual(await see(() => ({ holderIdentity: "", renewTime })), { kind: "free" });
  assert.deepEqual(await see(() => undefined), { kind: "absent" });
});
