import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { waitFor } from "../../../test/harness/wait.ts";
import type { RelayEvent } from "../../event/event.ts";
import { testEvent } from "../../event/testing.ts";
import { startRig, type Rig } from "../../testing/relay-rig.ts";
import { SLACK_TOKEN, startSlackDouble, type SlackDouble } from "../../testing/slack-double.ts";
import { DEBT } from "./words.ts";

const INTERVAL_MS = 50;

async function setUp(
  t: TestContext,
  isBot = true,
): Promise<{ slack: SlackDouble; rig: Rig; config: string }> {
  const slack = await startSlackDouble(t, { intervalMs: INTERVAL_MS });
  const place = isBot
    ? `tokenFile: token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}"`
    : `url: "${slack.hookUrl}"`;
  const config = `subscriptions:
  - {name: one, type: slack, ${place}, rateLimit: 20/s, allowAddresses: 127.0.0.1, group: {interval: 1s},
     retry: {schedule: [0s, 100ms, 100ms, 1s]}}`;
  return { slack, rig: await startRig(t, { config, files: { token: SLACK_TOKEN } }), config };
}

function incidents(count: number, type: string, first = 0): readonly RelayEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const at = first + index;
    return testEvent({
      id: `${type}-${at}`,
      type: `tote.image.${type}`,
      data: { incident: `incident-${at}`, owner: { kind: "Deployment", name: `web-${at}` } },
    });
  });
}

async function postAll(rig: Rig, events: readonly RelayEvent[]): Promise<void> {
  for (let at = 0; at < events.length; at += 100) {
    assert.equal((await rig.post(events.slice(at, at + 100))).status, 202);
  }
}

async function settled(rig: Rig): Promise<void> {
  await waitFor(
    "everything to be delivered",
    () => rig.relay.control.subscriptions().every(({ pending, delivering }) => pending + delivering === 0),
    { timeoutMs: 60_000 },
  );
}

/** The number that the message of a storm tells. */
function countOf(text: string | undefined): number {
  return Number(/Many incidents at once: (\d+) events?/.exec(text ?? "")?.[1] ?? 0);
}

test("of 10,000 incidents at once a few have messages of their own, one message counts the others", async (t) => {
  const { slack, rig } = await setUp(t);
  await postAll(rig, incidents(5, "detected"));
  await settled(rig);
  assert.equal(slack.roots().length, 5);
  const started = performance.now();
  await postAll(rig, incidents(9_995, "detected", 5));
  await settled(rig);
  const intervals = (performance.now() - started) / INTERVAL_MS;
  const [storm, ...more] = slack.roots().filter(({ text }) => countOf(text) > 0);
  assert.ok(storm);
  assert.deepEqual(more, []);
  const own = slack.roots().length - 1;
  assert.ok(own <= 10, `${own} messages`);
  assert.equal(countOf(storm.text) + own, 10_000);
  assert.ok(storm.text.endsWith(DEBT));
  // a change each fifth interval: 13 in a minute of seconds
  const changes = slack.calls.length - own;
  t.diagnostic(`${own} messages and ${changes} calls for the others in ${Math.round(intervals)} intervals`);
  assert.ok(changes <= 2 + intervals / 5, `${changes} calls in ${intervals} intervals`);
  assert.ok(slack.calls.every(({ error }) => error === ""));

  // those with a message go on in it, the others in the message of all
  const before = slack.calls.length;
  await postAll(rig, incidents(100, "recovered"));
  await settled(rig);
  const well = slack.roots().filter(({ text }) => text.includes("running again"));
  assert.equal(well.length, own);
  assert.equal(countOf(slack.roots().find(({ ts }) => ts === storm.ts)?.text), 10_100 - 2 * own);
  assert.ok(slack.calls.length - before <= 2 * own + 5, `${slack.calls.length - before} calls`);
  assert.equal(slack.roots().length, own + 1);
});

test("10,000 events of one incident are a handful of updates of one message", async (t) => {
  const { slack, rig } = await setUp(t);
  const events = Array.from({ length: 10_000 }, (_, at) => testEvent({ id: `pod-${at}` }));
  const started = performance.now();
  await postAll(rig, events);
  await settled(rig);
  const seconds = (performance.now() - started) / 1000;
  assert.equal(slack.roots().length, 1);
  assert.match(JSON.stringify(slack.roots()[0]?.blocks), /detected ×10000/);
  assert.equal(slack.replies(slack.roots()[0]?.ts ?? "").length, 0);
  assert.ok(slack.calls.length <= 3 + seconds, `${slack.calls.length} calls in ${seconds} s`);
});

test("a relay that starts in the middle of a storm goes on with its message", async (t) => {
  const { slack, rig, config } = await setUp(t);
  await postAll(rig, incidents(200, "detected"));
  await settled(rig);
  await rig.stop();
  const second = await startRig(t, { config, directory: rig.directory, files: { token: SLACK_TOKEN } });
  await postAll(second, incidents(200, "detected", 200));
  await settled(second);
  const storms = slack.roots().filter(({ text }) => countOf(text) > 0);
  assert.equal(storms.length, 1);
  assert.equal(countOf(storms[0]?.text) + slack.roots().length - 1, 400);
});

test("a storm whose message is deleted, or fails, is told in a new one and loses nothing", async (t) => {
  const { slack, rig } = await setUp(t);
  slack.fail({ method: "chat.update", error: "service_unavailable" });
  await postAll(rig, incidents(100, "detected"));
  await settled(rig);
  const storm = slack.roots().find(({ text }) => countOf(text) > 0);
  assert.ok(storm);
  slack.remove(storm.ts);
  await postAll(rig, incidents(50, "detected", 100));
  await settled(rig);
  const again = slack.roots().find(({ text }) => countOf(text) > 0);
  assert.ok(again !== undefined && again.ts !== storm.ts);
  assert.equal(countOf(again.text) + slack.roots().length - 1, 150);
});

test("an incoming webhook gets a message for each of a few incidents, and one for many", async (t) => {
  const { slack, rig } = await setUp(t, false);
  await postAll(rig, incidents(3, "detected"));
  await settled(rig);
  assert.equal(slack.roots().length, 3);
  await postAll(rig, incidents(5_000, "detected", 3));
  await settled(rig);
  const told = slack.roots().map(({ text }) => countOf(text) || 1);
  assert.equal(
    told.reduce((sum, one) => sum + one, 0),
    5_003,
  );
  assert.ok(told.length <= 15, `${told.length} messages`);
  assert.ok(slack.roots().every(({ text }) => text.includes(DEBT)));
  assert.deepEqual(slack.markup(), []);
});
