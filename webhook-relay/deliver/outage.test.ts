import assert from "node:assert/strict";
import { test } from "node:test";

import { createMovingClock } from "../../test/harness/moving-clock.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { configFor } from "../testing/one-receiver.ts";
import { startReceiver } from "../testing/receiver.ts";
import { startRig } from "../testing/relay-rig.ts";

/** Longer than any pause of the breaker, and than those between the first attempts. */
const STEP_MS = 15 * 60_000;
const OUTAGE_MS = 22 * 3_600_000;
const IDS = [1, 2];

test("the few deliveries that wait for a receiver outlive its outage of most of a day", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(503).end());
  const clock = createMovingClock();
  const rig = await startRig(t, { clock, config: configFor(receiver, "timeout: 15s") });
  const attempts = (): number => IDS.reduce((sum, id) => sum + rig.relay.control.attempts(id).length, 0);
  const states = (): readonly unknown[] => IDS.map((id) => rig.relay.control.delivery(id)?.state);
  await rig.post(IDS.map((id) => testEvent({ id: `e${id}` })));
  await waitFor("the first attempts", () => attempts() === IDS.length);
  for (let passed = 0; passed < OUTAGE_MS; passed += STEP_MS) {
    const before = attempts();
    clock.skip(STEP_MS);
    await waitFor("the next attempt", () => attempts() > before || states().includes("dead"), {
      intervalMs: 2,
    });
    assert.ok(!states().includes("dead"), `dead after ${(passed + STEP_MS) / 60_000} minutes`);
  }
  receiver.behave(undefined);
  clock.skip(STEP_MS);
  await waitFor("both to arrive", () => states().every((state) => state === "delivered"));
});
