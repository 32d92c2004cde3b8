import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { startReceiver } from "../testing/receiver.ts";
import { configFor, ended, rigFor } from "../testing/one-receiver.ts";

test("a changed address takes over what waits, a removed subscription keeps it", async (t) => {
  const [old, fresh] = [await startReceiver(t), await startReceiver(t)];
  old.behave((_, response) => response.writeHead(503).end());
  const rig = await rigFor(t, old, "retry: {schedule: [0s, 1h]}");
  await rig.post(testEvent());
  await waitFor("the first attempt", () => rig.relay.control.attempts(1).length === 1);
  await rig.reload("subscriptions: []");
  assert.equal(rig.relay.control.delivery(1)?.state, "pending");
  await rig.reload(configFor(fresh));
  await rig.relay.control.redeliver(1);
  assert.equal((await ended(rig)).state, "delivered");
  assert.deepEqual(fresh.ids(), [testEvent().id]);
});

test("a changed configuration leaves the pause that a receiver asked for, another address ends it", async (t) => {
  const [receiver, fresh] = [await startReceiver(t), await startReceiver(t)];
  receiver.behave((_, response) => response.writeHead(429, { "retry-after": "3600" }).end());
  const rig = await rigFor(t, receiver);
  await rig.post(testEvent());
  const pausedUntil = (): number => rig.relay.control.subscriptions()[0]?.health.pausedUntil ?? 0;
  const until = await waitFor("the pause", () => pausedUntil() > 0 && pausedUntil());
  await rig.reload(configFor(receiver, "timeout: 3s"));
  assert.equal(pausedUntil(), until);
  await rig.reload(configFor(fresh));
  assert.equal(pausedUntil(), 0);
  await rig.relay.control.redeliver(1);
  assert.equal((await ended(rig)).state, "delivered");
  assert.equal(receiver.requests.length, 1);
});
