import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { waitFor } from "../../../test/harness/wait.ts";
import type { EventData, RelayEvent } from "../../event/event.ts";
import { testEvent } from "../../event/testing.ts";
import type { DeliveryView } from "../../store/views.ts";
import { startRig, type Rig } from "../../testing/relay-rig.ts";
import {
  SLACK_TOKEN,
  startSlackDouble,
  type SlackDouble,
  type SlackDoubleOptions,
} from "../../testing/slack-double.ts";
import { DEBT } from "./words.ts";

/** Twenty messages a second: the same rules, sooner. */
const INTERVAL_MS = 50;
const RETRY = "retry: {schedule: [0s, 50ms, 50ms, 50ms, 50ms]}";

async function setUp(
  t: TestContext,
  options: SlackDoubleOptions & { readonly more?: string; readonly channel?: string } = {},
): Promise<{ readonly slack: SlackDouble; readonly rig: Rig; readonly config: string }> {
  const { more = RETRY, channel = "C0TESTOPS" } = options;
  const slack = await startSlackDouble(t, { intervalMs: INTERVAL_MS, ...options });
  const config = `subscriptions:
  - {name: bot, type: slack, tokenFile: token, channel: "${channel}", apiUrl: "${slack.apiUrl}",
     rateLimit: 20/s, allowAddresses: 127.0.0.1, ${more}}`;
  const rig = await startRig(t, { config, files: { token: SLACK_TOKEN } });
  return { slack, rig, config };
}

/** An event of an incident; its id says which. */
function event(type: string, second: number, data: Partial<EventData> = {}): RelayEvent {
  return testEvent({
    id: `${data.incident ?? "x"}-${type}-${second}`,
    type: `tote.image.${type}`,
    time: `2026-01-31T12:00:${String(second).padStart(2, "0")}.000Z`,
    data,
  });
}

async function delivered(rig: Rig, count: number): Promise<void> {
  const page = { limit: 500, cursor: undefined };
  await waitFor(
    `${count} deliveries`,
    () => rig.relay.control.deliveries({ state: "delivered" }, page).items.length === count,
    { timeoutMs: 20_000 },
  );
}

function only(rig: Rig): DeliveryView {
  const [delivery] = rig.relay.control.deliveries({}, { limit: 1, cursor: undefined }).items;
  assert.ok(delivery);
  return delivery;
}

test("an incident is one message that is changed in place, with a reply for each transition", async (t) => {
  const { slack, rig } = await setUp(t);
  const types = ["detected", "salvageable", "salvaged", "recovered"];
  for (const [at, type] of types.entries()) {
    await rig.post(event(type, at, { durationMs: 1000 * at, bytes: 5_000_000 }));
    // what waits for company is flushed by what does not
    if (type !== "salvageable") await delivered(rig, at + 1);
  }
  const [root, ...others] = slack.roots();
  assert.ok(root);
  assert.deepEqual(others, []);
  assert.match(root.versions[0] ?? "", /🔴 shop\/Deployment\/web: image cannot be pulled/);
  assert.match(root.text, /^✅ shop\/Deployment\/web: running again\./);
  assert.ok(root.versions.every((text) => text.includes(DEBT)));
  const shown = JSON.stringify(root.blocks);
  assert.match(shown, /12:00:00 detected → 12:00:01 salvageable → 12:00:02 salvaged → 12:00:03 recovered/);
  assert.match(shown, /registry\.example\/web:1\.2/);
  const replies = slack.replies(root.ts).map(({ text, blocks }) => `${text} ${JSON.stringify(blocks)}`);
  assert.equal(replies.length, 2);
  assert.match(replies[0] ?? "", /other nodes hold the image.*image salvaged/);
  assert.match(replies[1] ?? "", /running again/);
  assert.deepEqual(slack.markup(), []);
  assert.ok(slack.calls.every(({ error }) => error === ""));
  const metrics = await rig.registry.metrics();
  assert.match(metrics, /slack_calls_total\{subscription="bot",method="chat.update",result="ok"\} 2/);
});

test("an older event never becomes the state, and a replay counts nothing twice", async (t) => {
  const { slack, rig } = await setUp(t);
  await rig.post([event("detected", 0), event("recovered", 9)]);
  await delivered(rig, 2);
  await rig.post(event("salvaged", 5, { bytes: 77 }));
  await delivered(rig, 3);
  const [root] = slack.roots();
  assert.ok(root);
  assert.match(root.text, /running again/);
  assert.match(JSON.stringify(root.blocks), /12:00:00 detected → 12:00:05 salvaged → 12:00:09 recovered/);
  assert.equal(await rig.relay.control.redeliver(1), "queued");
  await waitFor("the repeat", () => slack.replies(root.ts).length === 2);
  await waitFor("the record", () => rig.relay.control.delivery(1)?.state === "delivered");
  const [after] = slack.roots();
  assert.deepEqual([after?.text, after?.blocks], [root.text, root.blocks]);
  assert.match(JSON.stringify(slack.replies(root.ts).at(-1)?.blocks), /sent again/);
});

test("what comes while a message is sent goes with the next: twenty changes are few calls", async (t) => {
  const { slack, rig } = await setUp(t);
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  const before = slack.calls.length;
  await rig.post(
    Array.from({ length: 20 }, (_, at) => event(at % 2 === 0 ? "salvaged" : "salvage_failed", at + 1)),
  );
  await delivered(rig, 21);
  assert.ok(slack.calls.length - before <= 4, `${slack.calls.length - before} calls`);
  const [root] = slack.roots();
  assert.match(root?.text ?? "", /salvage failed/);
  assert.match(JSON.stringify(root?.blocks), /salvage failed ×10, salvaged ×10/);
});

test("messages and updates are an interval apart, over all subscriptions of a channel", async (t) => {
  const slack = await startSlackDouble(t, { intervalMs: INTERVAL_MS });
  const lines = ["a", "b", "c"].map(
    (name) =>
      `  - {name: ${name}, type: slack, tokenFile: token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}", rateLimit: 20/s, allowAddresses: 127.0.0.1}`,
  );
  const config = ["subscriptions:", ...lines].join("\n");
  const rig = await startRig(t, { config, files: { token: SLACK_TOKEN } });
  await rig.post([event("detected", 0, { incident: "i" }), event("salvaged", 1, { incident: "j" })]);
  await rig.post(event("recovered", 2, { incident: "i" }));
  await delivered(rig, 9);
  const times = slack.calls.map(({ at }) => at);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  assert.ok(Math.min(...gaps) >= INTERVAL_MS, String(gaps));
  assert.ok(slack.calls.every(({ error }) => error === ""));
});

test("429 makes the channel wait as long as Slack asks, and costs no attempt", async (t) => {
  const { slack, rig } = await setUp(t, { more: "retry: {schedule: [0s]}" });
  slack.fail({ status: 429, error: "ratelimited", headers: { "retry-after": "1" } });
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  const [first, second] = slack.calls;
  assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 1000);
  const [attempt] = rig.relay.control.attempts(1);
  assert.deepEqual(
    [attempt?.outcome, attempt?.reason, attempt?.status, attempt?.retryAfterMs],
    ["retry", "429", 429, 1000],
  );
});

test("what Slack takes only from a person who acts switches the subscription off, and nothing is lost", async (t) => {
  for (const error of [
    "token_revoked",
    "account_inactive",
    "invalid_auth",
    "channel_not_found",
    "is_archived",
  ]) {
    const { slack, rig, config } = await setUp(t);
    slack.fail({ error });
    await rig.post(event("detected", 0));
    await waitFor(error, () => rig.relay.control.subscriptions()[0]?.health.disabledBy === "receiver");
    const reason = rig.relay.control.subscriptions()[0]?.health.disabledReason ?? "";
    assert.match(reason, new RegExp(`^Slack says ${error}: `));
    await waitFor("the record", () => only(rig).state === "pending" && only(rig).reason === error);
    await rig.reload(config.replace("rateLimit: 20/s", "rateLimit: 19/s"));
    await delivered(rig, 1);
    assert.equal(slack.roots().length, 1);
    await rig.stop();
  }
});

test("the app that is not in the channel, for real", async (t) => {
  const { rig } = await setUp(t, { channel: "C0NOSUCH" });
  await rig.post(event("detected", 0));
  await waitFor("the end", () => rig.relay.control.subscriptions()[0]?.health.disabledBy === "receiver");
  assert.match(await rig.registry.metrics(), /subscription_disabled\{subscription="bot",by="receiver"\} 1/);
});

test("a message that cannot be changed any more is left, and a new one takes its place", async (t) => {
  const { slack, rig } = await setUp(t);
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  const errors = ["message_not_found", "cant_update_message", "edit_window_closed"];
  for (const [at, error] of errors.entries()) {
    slack.fail({ method: "chat.update", error });
    await rig.post(event("salvaged", at + 1));
    await delivered(rig, at + 2);
    assert.equal(slack.roots().length, at + 2, error);
  }
  const last = slack.roots().at(-1);
  assert.ok(last);
  slack.remove(last.ts);
  await rig.post(event("recovered", 9));
  await delivered(rig, 5);
  assert.match(slack.roots().at(-1)?.text ?? "", /running again/);
});

test("blocks that are not taken are sent as plain text; what is not taken either is dead", async (t) => {
  const { slack, rig } = await setUp(t);
  slack.fail({ error: "invalid_blocks" });
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  const [root] = slack.roots();
  assert.deepEqual(root?.blocks, []);
  assert.match(root?.text ?? "", /image cannot be pulled\nthe registry cannot be reached\nImage: `registry/);
  assert.ok(root?.text.endsWith(DEBT));
  slack.fail({ method: "chat.update", error: "msg_blocks_too_long" });
  await rig.post(event("salvaged", 1));
  await delivered(rig, 2);
  assert.deepEqual(slack.roots()[0]?.blocks, []);
  slack.fail({ error: "invalid_blocks" }, { error: "invalid_arguments" });
  await rig.post(event("recovered", 2));
  await waitFor("the end", () => only(rig).state === "dead");
  assert.equal(only(rig).reason, "invalid_arguments");
});

test("what may pass is tried again, what nobody knows a few times", async (t) => {
  const { slack, rig } = await setUp(t);
  const method = "chat.postMessage";
  slack.fail(
    { error: "service_unavailable" },
    { status: 503, error: "x" },
    { method, error: "internal_error" },
  );
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  assert.equal(slack.roots().length, 1);
  assert.deepEqual(
    rig.relay.control.attempts(1).map(({ reason }) => reason),
    ["service_unavailable", "5xx", "internal_error", ""],
  );
  slack.fail(...Array.from({ length: 3 }, () => ({ error: "some_new_word" })));
  await rig.post(event("recovered", 2));
  await waitFor("the end", () => only(rig).state === "dead");
  assert.deepEqual([only(rig).reason, only(rig).attempts], ["other", 3]);
});

test("a message whose answer got lost is found again; without the right to look there are two", async (t) => {
  for (const missingScopes of [[], ["conversations.history"]]) {
    const { slack, rig } = await setUp(t, { missingScopes });
    slack.fail({ method: "chat.postMessage", error: "", isCut: true });
    await rig.post(event("detected", 0));
    await delivered(rig, 1);
    assert.equal(slack.roots().length, 1 + missingScopes.length);
    await rig.post(event("recovered", 1));
    await delivered(rig, 2);
    assert.match(slack.roots().at(-1)?.text ?? "", /running again/);
    await rig.stop();
  }
});

test("a message whose answer got lost is still looked for when it was found and could not be changed", async (t) => {
  for (const fault of [
    { status: 429, error: "ratelimited", headers: { "retry-after": "1" } },
    { error: "some_new_word" },
    { status: 503, error: "x" },
  ]) {
    const { slack, rig } = await setUp(t);
    slack.fail({ method: "chat.postMessage", error: "", isCut: true }, { ...fault, method: "chat.update" });
    await rig.post(event("detected", 0));
    await delivered(rig, 1);
    assert.equal(rig.relay.control.attempts(1).length, 3, fault.error);
    assert.equal(slack.roots().length, 1, fault.error);
    await rig.stop();
  }
});

test("a channel may be named: its id is learned from the first answer", async (t) => {
  const { slack, rig } = await setUp(t, { channel: "#ops" });
  await rig.post(event("detected", 0));
  await delivered(rig, 1);
  await rig.post(event("recovered", 1));
  await delivered(rig, 2);
  assert.equal(slack.roots()[0]?.edits, 1);
});

test("a test stands alone", async (t) => {
  const { slack, rig } = await setUp(t);
  assert.ok(await rig.relay.control.sendTest("bot"));
  await delivered(rig, 1);
  assert.match(slack.roots()[0]?.text ?? "", /test of the subscription/);
});
