import assert from "node:assert/strict";
import { test } from "node:test";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import { startRelayProcess, type RelayProcess } from "./relay-process.ts";

const POSTERS = 16;
/** Events that are answered before the end, so that there is traffic in both directions. */
const EVENTS_BEFORE = 500;

/** Posts events one after the other until the relay is gone; calls back with each id that was taken. */
async function postUntilGone(relay: RelayProcess, name: string, taken: (id: string) => void): Promise<void> {
  for (let at = 0; ; at += 1) {
    const id = `${name}-${at}`;
    let status: number;
    try {
      const answer = await relay.post(testEvent({ id }));
      ({ status } = answer);
      await answer.text();
    } catch (error) {
      // nobody listens any more, or what was under way was cut off: then it was not promised
      assert.ok(error instanceof TypeError, String(error));
      return;
    }
    if (status === 202) taken(id);
    else assert.equal(status, 503);
  }
}

test("a relay that is told to end while 16 clients post ends in order, and loses nothing that it has answered", async (t) => {
  const cleanup = createCleanup(t);
  const receiver = await startReceiver(t);
  const options = {
    cleanup,
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1}]`,
  };
  const first = await startRelayProcess(options);
  const taken: string[] = [];
  const posters = Array.from({ length: POSTERS }, (_, at) =>
    postUntilGone(first, `p${at}`, (id) => void taken.push(id)),
  );
  await waitFor("traffic", () => taken.length >= EVENTS_BEFORE);
  await first.kill("SIGTERM");
  assert.deepEqual(await first.exited, { code: 0, signal: null });
  await Promise.all(posters);
  t.diagnostic(
    `${taken.length} events were answered, ${new Set(receiver.ids()).size} had arrived at the end`,
  );
  await startRelayProcess(options);
  await waitFor("all to arrive", () => {
    const arrived = new Set(receiver.ids());
    return taken.every((id) => arrived.has(id));
  });
  // an end in order repeats nothing
  const ids = receiver.ids();
  assert.equal(ids.length, new Set(ids).size);
});
