import assert from "node:assert/strict";
import { test } from "node:test";

import { createMovingClock } from "../../../test/harness/moving-clock.ts";
import { waitFor } from "../../../test/harness/wait.ts";
import { testEvent } from "../../event/testing.ts";
import { startRig } from "../../testing/relay-rig.ts";
import { SLACK_TOKEN, startSlackDouble } from "../../testing/slack-double.ts";

test("a bot that may send one message in ten seconds brings a transition to its end in one attempt", async (t) => {
  const slack = await startSlackDouble(t, { intervalMs: 0 });
  const config = `subscriptions:
  - {name: bot, type: slack, tokenFile: token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}", timeout: 5m,
     rateLimit: 6/m, allowAddresses: 127.0.0.1}`;
  const clock = createMovingClock();
  const rig = await startRig(t, { clock, config, files: { token: SLACK_TOKEN } });
  for (const [at, type] of ["detected", "salvaged"].entries()) {
    await rig.post(testEvent({ id: type, type: `tote.image.${type}` }));
    await waitFor(
      `${type} to be delivered`,
      () => {
        clock.skip(1000);
        return rig.relay.control.delivery(at + 1)?.state === "delivered";
      },
      { timeoutMs: 15_000 },
    );
  }
  const [root] = slack.roots();
  assert.equal(slack.replies(root?.ts ?? "").length, 1);
  assert.deepEqual(
    slack.calls.map(({ method }) => method),
    ["chat.postMessage", "chat.update", "chat.postMessage"],
  );
  assert.equal(rig.relay.control.attempts(2).length, 1);
});
