import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { waitFor } from "../../../test/harness/wait.ts";
import { testEvent } from "../../event/testing.ts";
import { startRig, type Rig } from "../../testing/relay-rig.ts";
import { SLACK_HOOK_PATH, startSlackDouble, type SlackDouble } from "../../testing/slack-double.ts";
import { DEBT } from "./words.ts";

/** Waits until one delivery has become so. */
async function become(rig: Rig, id: number, state: string): Promise<void> {
  await waitFor(`delivery ${id} to be ${state}`, () => rig.relay.control.delivery(id)?.state === state, {
    timeoutMs: 20_000,
  });
}

async function setUp(t: TestContext): Promise<{ slack: SlackDouble; rig: Rig }> {
  const slack = await startSlackDouble(t);
  const config = `subscriptions:
  - {name: hook, type: slack, urlFile: url, allowAddresses: 127.0.0.1, retry: {schedule: [0s, 50ms, 50ms]}}`;
  return { slack, rig: await startRig(t, { config, files: { url: `${slack.hookUrl}\n` } }) };
}

test("an incoming webhook gets a message for each transition, with what came before in the same batch", async (t) => {
  const { slack, rig } = await setUp(t);
  await rig.post(testEvent({ id: "a" }));
  await become(rig, 1, "delivered");
  // what lasts waits for company, and goes with the next transition
  const types = ["salvageable", "salvaged"];
  await rig.post(types.map((type) => testEvent({ id: type, type: `tote.image.${type}` })));
  await become(rig, 3, "delivered");
  assert.equal(slack.roots().length, 2);
  assert.match(slack.roots()[1]?.text ?? "", /image salvaged/);
  assert.match(JSON.stringify(slack.roots()[1]?.blocks), /salvageable → 12:00:00 salvaged/);
  assert.equal(rig.relay.control.delivery(2)?.state, "delivered");
  const gap = (slack.calls[1]?.at ?? 0) - (slack.calls[0]?.at ?? 0);
  assert.ok(gap >= 1000, `${gap} ms`);
});

test("what it refuses is sent as plain text, a hook that is gone switches the subscription off, 429 waits", async (t) => {
  const { slack, rig } = await setUp(t);
  slack.fail({ error: "invalid_blocks" });
  await rig.post(testEvent({ id: "a" }));
  await become(rig, 1, "delivered");
  assert.deepEqual(slack.roots()[0]?.blocks, []);
  assert.ok(slack.roots()[0]?.text.endsWith(DEBT));

  slack.fail({ status: 429, error: "ratelimited", headers: { "retry-after": "2" } });
  await rig.post(testEvent({ id: "b", type: "tote.image.recovered" }));
  await become(rig, 2, "delivered");
  const [, , refused, repeated] = slack.calls.map(({ at }) => at);
  assert.ok((repeated ?? 0) - (refused ?? 0) >= 2000);

  slack.fail({ status: 404, error: "no_service" });
  await rig.post(testEvent({ id: "c", type: "tote.image.corrupt", data: { incident: "other" } }));
  await waitFor("the end", () => rig.relay.control.subscriptions()[0]?.health.disabledBy === "receiver");
  await become(rig, 3, "pending");
  const reason = rig.relay.control.subscriptions()[0]?.health.disabledReason ?? "";
  assert.match(reason, /^Slack says no_service: make a new incoming webhook/);
  await rig.relay.control.setEnabled("hook", true, "");
  await become(rig, 3, "delivered");
  assert.equal(slack.roots().length, 3);
  // the path is the secret
  const secret = SLACK_HOOK_PATH.split("/").at(-1) ?? "";
  const page = { limit: 10, cursor: undefined };
  const shown = [
    ...rig.log,
    await rig.registry.metrics(),
    JSON.stringify(rig.relay.control.deliveries({}, page).items),
    JSON.stringify([1, 2, 3].map((id) => rig.relay.control.attempts(id))),
  ];
  assert.ok(!shown.join("\n").includes(secret));
});
