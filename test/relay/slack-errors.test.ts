import assert from "node:assert/strict";
import { test } from "node:test";

import { KNOWN_ERRORS, verdictOf } from "../../webhook-relay/sinks/slack/errors.ts";
import { startSlackDouble, type SlackDouble } from "../../webhook-relay/testing/slack-double.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import {
  botLine,
  incidentEvent,
  openOf,
  shownSubscriptions,
  type ShownSubscription,
  SLACK_TEST_INTERVAL_MS as intervalMs,
  startSlackRelay,
} from "./slack-setup.ts";

test("each error has the effect that the table says, on the message and on its subscription", async (t) => {
  const cleanup = createCleanup(t);
  const doubles = new Map<string, SlackDouble>();
  for (const error of [...KNOWN_ERRORS, "a_new_word"]) {
    doubles.set(error, await startSlackDouble(t, { intervalMs }));
  }
  const nameOf = (error: string): string => error.replaceAll("_", "-");
  const relay = await startSlackRelay(
    cleanup,
    [...doubles].map(([error, slack]) => botLine(nameOf(error), slack)),
  );
  await relay.post(incidentEvent("detected", 0));
  const isEverywhere = (): boolean => [...doubles.values()].every((slack) => slack.roots().length === 1);
  await waitFor("a message in each channel", isEverywhere, { timeoutMs: 60_000 });
  for (const [error, slack] of doubles) {
    // Slack always says how long; without that the pause is half a minute
    const headers = { ...(verdictOf(error) === "throttle" && { "retry-after": "1" }) };
    slack.fail({ method: "chat.update", error, headers });
  }
  await relay.post(incidentEvent("recovered", 1));
  const isDone = ([error, slack]: readonly [string, SlackDouble], one: ShownSubscription): boolean => {
    if (verdictOf(error) === "disable")
      return one.health.disabledBy === "receiver" && one.queue.delivering === 0;
    const isTold = slack.roots().some(({ text }) => text.includes("running again"));
    return isTold && openOf(one) === 0;
  };
  const all = await waitFor(
    "everything to be said, or refused for good",
    async () => {
      const list = await shownSubscriptions(relay);
      return (
        [...doubles].every(([error, slack], at) => {
          const one = list[at];
          return one !== undefined && isDone([error, slack], one);
        }) && list
      );
    },
    { timeoutMs: 60_000 },
  );
  for (const [at, [error, slack]] of [...doubles].entries()) {
    const [first, second] = slack.roots();
    const verdict = verdictOf(error);
    const found = all[at];
    assert.equal(found?.name, nameOf(error));
    assert.equal(found.health.disabledBy !== null, verdict === "disable", error);
    assert.equal(second !== undefined, verdict === "repost", `${error}: a new message`);
    assert.equal(first?.blocks.length === 0, verdict === "plain", `${error}: plain text`);
    if (verdict === "disable") {
      assert.match(found.health.disabledReason, new RegExp(`^Slack says ${error}`));
      assert.deepEqual([first?.edits, found.queue.pending], [0, 1], `${error}: kept until somebody acts`);
      assert.equal(slack.calls.length, 2, `${error}: nothing more is sent`);
    }
  }
});

test("429 holds the whole channel for as long as Slack says", async (t) => {
  const cleanup = createCleanup(t);
  const slack = await startSlackDouble(t, { intervalMs });
  const relay = await startSlackRelay(cleanup, [botLine("ops", slack, "retry: {schedule: [0s]}")]);
  slack.fail({ status: 429, error: "ratelimited", headers: { "retry-after": "2" } });
  await relay.post(incidentEvent("detected", 0));
  await waitFor("the refusal", () => slack.calls.length === 1, { timeoutMs: 30_000 });
  await relay.post(incidentEvent("salvaged", 0, { incident: "another" }));
  await waitFor("both", () => slack.roots().length === 2, { timeoutMs: 30_000 });
  const [refused, ...after] = slack.calls.map(({ at }) => at);
  assert.ok(
    after.every((at) => at - (refused ?? 0) >= 2000),
    String(slack.calls.map(({ at }) => Math.round(at))),
  );
  assert.match(
    await relay.metrics(),
    /slack_calls_total\{subscription="ops",method="chat.postMessage",result="throttled"\} 1/,
  );
});
