import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startSlackDouble, type SlackMessage } from "../../webhook-relay/testing/slack-double.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import {
  botLine,
  incidentEvent,
  settled,
  SLACK_TEST_INTERVAL_MS as intervalMs,
  startSlackRelay,
} from "./slack-setup.ts";

function stepsOf(root: SlackMessage | undefined): string {
  return /12:00:00 detected[^(]*/.exec(JSON.stringify(root?.blocks ?? []))?.[0].trim() ?? "";
}

test("from detected to recovered an incident is one message at Slack's own pace, with replies", async (t) => {
  const cleanup = createCleanup(t);
  const slack = await startSlackDouble(t);
  const line = botLine("ops", slack).replace("rateLimit: 20/s, ", "");
  const relay = await startSlackRelay(cleanup, [line]);
  const types = ["detected", "salvaged", "recovered"];
  for (const [at, type] of types.entries()) {
    assert.equal((await relay.post(incidentEvent(type, at))).status, 202);
    await settled(relay);
  }
  assert.deepEqual(
    slack.messages().map(({ threadTs, edits }) => [threadTs === "", edits]),
    [
      [true, 2],
      [false, 0],
      [false, 0],
    ],
  );
  assert.equal(stepsOf(slack.roots()[0]), "12:00:00 detected → 12:00:01 salvaged → 12:00:02 recovered");
  const times = slack.calls.map(({ at }) => at);
  const gaps = times.slice(1).map((at, index) => Math.round(at - (times[index] ?? 0)));
  assert.ok(Math.min(...gaps) >= 1000, String(gaps));
  assert.match(
    await relay.metrics(),
    /slack_calls_total\{subscription="ops",method="chat.update",result="ok"\} 2/,
  );
});

test("killed between a call and its record, again and again, it goes on with the same message", async (t) => {
  const cleanup = createCleanup(t);
  const slack = await startSlackDouble(t, { intervalMs });
  const lines = [botLine("ops", slack)];
  const types = ["detected", "salvaged", "recovered"];
  let relay = await startSlackRelay(cleanup, lines);
  for (const [at, type] of types.entries()) {
    const before = slack.calls.length;
    // the root, a reply, an update: each in turn is the last that this relay does
    const method = at > 0 && at % 2 === 0 ? "chat.update" : "chat.postMessage";
    slack.fail({ method, error: "", isSilent: true });
    await relay.post(incidentEvent(type, at));
    const isMade = (): boolean => slack.calls.slice(before).some((call) => call.method === method);
    await waitFor("the call", isMade, { timeoutMs: 30_000 });
    await relay.kill("SIGKILL");
    relay = await startSlackRelay(cleanup, lines, relay.directory);
    await settled(relay);
  }
  const [root, ...more] = slack.roots();
  assert.ok(root);
  assert.deepEqual(more, []);
  const steps = types.map((type, at) => `12:00:0${at} ${type.replace("_", " ")}`);
  assert.equal(stepsOf(root), steps.join(" → "));
  assert.doesNotMatch(JSON.stringify(root.blocks), /×/, "each counts once");
  // a reply whose record was lost is said twice, and none is left out
  const replies = slack.replies(root.ts).map(({ blocks }) => JSON.stringify(blocks));
  assert.equal(replies.length, 2 + 1);
  for (const [at] of types.entries()) {
    if (at > 0) assert.ok(replies.some((reply) => reply.includes(`12:00:0${at}`)));
  }
});

test("a storm of 10,000 detected is at most 10 messages and one that counts, and the relay stays as large as it was", async (t) => {
  const cleanup = createCleanup(t);
  const slack = await startSlackDouble(t, { intervalMs });
  const relay = await startSlackRelay(cleanup, [botLine("ops", slack)]);
  const storm = async (prefix: string, count: number): Promise<void> => {
    for (let at = 0; at < count; at += 100) {
      const events = Array.from({ length: 100 }, (_, index) =>
        testEvent({ id: `${prefix}-${at + index}`, data: { incident: `${prefix}-${at + index}` } }),
      );
      assert.equal((await relay.post(events)).status, 202);
    }
    await settled(relay);
  };
  // what a first storm takes is for caches and compiled code
  await storm("warm-up", 5_000);
  const [before, calls] = [residentBytes(relay.pid), slack.calls.length];
  const started = performance.now();
  await storm("outage", 10_000);
  const intervals = (performance.now() - started) / intervalMs;
  const grown = (residentBytes(relay.pid) - before) / 2 ** 20;
  t.diagnostic(`${slack.calls.length} calls for 15,000 events, ${Math.round(grown)} MiB more`);
  assert.ok(grown < 40, `${grown} MiB`);
  assert.ok(slack.roots().length <= 11, `${slack.roots().length} messages`);
  const told = slack.roots().map(({ text }) => Number(/at once: (\d+) events/.exec(text)?.[1] ?? 1));
  assert.equal(
    told.reduce((sum, one) => sum + one, 0),
    15_000,
  );
  // the first storm opened 10 messages and the one that counts, the second only changes that, each fifth interval
  assert.ok(slack.calls.length - calls <= 2 + intervals / 5, `${slack.calls.length - calls} calls`);
  assert.ok(slack.calls.every(({ error }) => error === ""));
  const metrics = await relay.metrics();
  assert.match(metrics, /deliveries_ended_total\{subscription="ops",state="delivered"\} 15000/);
});

function residentBytes(pid: number): number {
  const [, kilobytes = "0"] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
