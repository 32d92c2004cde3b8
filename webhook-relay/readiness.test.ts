import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { testEvent } from "./event/testing.ts";
import { HOUSEKEEPING_INTERVAL_MS, STORE_PROBE_MS } from "./limits.ts";
import { startRig } from "./testing/relay-rig.ts";
import { createMovingClock } from "../test/harness/moving-clock.ts";
import { waitFor } from "../test/harness/wait.ts";

const NOBODY = "subscriptions: []";

/** A relay on a disk that fails when told to, with the message and code that SQLite has for it. */
async function startOnDisk(t: TestContext, message: string, errcode: number) {
  const disk = { fails: false };
  const clock = createMovingClock();
  const hooks = {
    beforeCommit() {
      if (disk.fails) throw Object.assign(new Error(message), { errcode });
    },
  };
  return { rig: await startRig(t, { config: NOBODY, clock, hooks }), clock, disk };
}

test("readiness follows the relay, and its store when that is closed events are refused for a moment", async (t) => {
  const rig = await startRig(t, { config: NOBODY });
  rig.relay.retire();
  const answer = await rig.relay.app.request("/readyz");
  assert.deepEqual([answer.status, await answer.text()], [503, "not ready: the relay stops\n"]);
  await rig.stop();
  const refused = await rig.post(testEvent());
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "10");
});

test("on a read-only disk events are refused, nothing is ready, and it ends by itself", async (t) => {
  const { rig, clock, disk } = await startOnDisk(t, "attempt to write a readonly database", 8);
  const readiness = async (): Promise<string> => await (await rig.relay.app.request("/readyz")).text();
  const why = "the store cannot be written: attempt to write a readonly database";
  assert.equal(await readiness(), "ok\n");
  assert.match(await rig.registry.metrics(), /^tote_relay_store_writable 1$/m);
  disk.fails = true;
  const refused = await rig.post(testEvent());
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "10"]);
  assert.deepEqual(await refused.json(), {
    error: "the store cannot be written: attempt to write a readonly database, come again",
  });
  assert.equal(await readiness(), `not ready: ${why}\n`);
  assert.deepEqual(rig.relay.readiness(), { ready: false, reason: why });
  assert.match(await rig.registry.metrics(), /^tote_relay_store_writable 0$/m);
  const reads = await rig.get("/v1/events");
  assert.deepEqual([reads.status, (await reads.json()).events], [200, []]);
  disk.fails = false;
  // nobody posts to what is not ready: it must find out alone
  clock.skip(HOUSEKEEPING_INTERVAL_MS);
  await waitFor("it to be ready", async () => (await readiness()) === "ok\n");
  assert.match(await rig.registry.metrics(), /^tote_relay_store_writable 1$/m);
  assert.equal((await rig.post(testEvent())).status, 202);
});

test("a disk that fails is noticed without events", async (t) => {
  const { rig, clock, disk } = await startOnDisk(t, "disk I/O error", 10);
  disk.fails = true;
  clock.skip(HOUSEKEEPING_INTERVAL_MS);
  await waitFor("it to be noticed", () => !rig.relay.readiness().ready);
  disk.fails = false;
  clock.skip(STORE_PROBE_MS);
  await waitFor("it to be ready", () => rig.relay.readiness().ready);
});
