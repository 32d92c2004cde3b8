import assert from "node:assert/strict";

import type { EventData } from "../../webhook-relay/event/event.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import type { VerifiedMessage } from "./consumer.ts";
import { startRelayDemoRig, Story, type DeadLetter, type RelayDemoRig } from "./relay-rig.ts";
import { indent, say, step } from "./say.ts";

/** Pods of one Deployment that fail while the consumer is down. */
const CROWD = 200;

/** The relay with a consumer that verifies and a Slack. Throws when anything is not as it must be. */
export async function runRelayDemo(): Promise<void> {
  const started = performance.now();
  const cleanup = createCleanup();
  try {
    await demo(cleanup);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    step(`Done in ${seconds} s. The relay has ended in order, its store is removed.`);
  } finally {
    await cleanup.run();
  }
}

async function demo(cleanup: Cleanup): Promise<void> {
  step(
    "A relay, a webhook consumer that verifies with the standardwebhooks package, a Slack with its limits:",
  );
  const mood = { isQuiet: false, hasBug: false };
  const handle = (message: VerifiedMessage): "taken" | "refused" => {
    if (mood.hasBug && message.type === "tote.image.salvage_failed") return "refused";
    if (!mood.isQuiet) say(indent(describe(message)));
    return "taken";
  };
  const rig = await startRelayDemoRig(cleanup, handle, (text) => say(indent(text)));
  const { relay, consumer } = rig;
  say(`   relay ${relay.url}, consumer ${consumer.url}`);
  await forgery(rig);
  await incident(rig);
  mood.isQuiet = true;
  await outage(rig);
  Object.assign(mood, { isQuiet: false, hasBug: true });
  await deadLetter(rig, () => Object.assign(mood, { hasBug: false }));
  const { subscriptions } = await rig.api<{ subscriptions: readonly { queue: Queue }[] }>(
    "/v1/subscriptions",
  );
  for (const { queue } of subscriptions) {
    assert.deepEqual([queue.pending, queue.delivering, queue.dead], [0, 0, 0], "something was left behind");
  }
  await relay.kill("SIGTERM");
  assert.deepEqual(await relay.exited, { code: 0, signal: null });
}

interface Queue {
  readonly pending: number;
  readonly delivering: number;
  readonly dead: number;
}

async function forgery({ consumer }: RelayDemoRig): Promise<void> {
  const headers = { "webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,Zm9yZ2Vk" };
  const { status } = await fetch(consumer.url, { method: "POST", headers, body: "{}" });
  assert.equal(status, 401);
  say(`   somebody else posts to the consumer: ${status}, the signature is wrong`);
}

/** One message at Slack that changes, and one webhook for each event. */
async function incident({ send, consumer, slack, until }: RelayDemoRig): Promise<void> {
  step("An image cannot be pulled, is salvaged, and its pod runs:");
  const story = new Story("checkout");
  const transitions: readonly (readonly [type: string, data: Partial<EventData>])[] = [
    ["detected", { message: "dial tcp 10.0.0.9:443: connect: connection refused" }],
    ["salvaged", { bytes: 48_231_414, durationMs: 6120, message: "moved from node-a" }],
    ["recovered", { severity: "info", durationMs: 900 }],
  ];
  for (const [at, [type, data]] of transitions.entries()) {
    const event = story.event(type, data);
    await send([event]);
    await until("the webhook", () => consumer.taken.some(({ id }) => id === event.id));
    await until(
      "the message at Slack",
      () => slack.roots()[0]?.edits === at && slack.messages().length === at + 1,
    );
  }
  assert.equal(slack.roots().length, 1);
}

/** The consumer is away; everything that was accepted meanwhile arrives. */
async function outage(rig: RelayDemoRig): Promise<void> {
  const { send, consumer, slack, until, api } = rig;
  step(`The consumer goes down, and ${CROWD} pods of another Deployment fail:`);
  const [before, forged] = [consumer.taken.length, consumer.forged];
  await consumer.down();
  const story = new Story("payments");
  const events = Array.from({ length: CROWD }, (_, at) => story.event("detected", {}, at + 1));
  for (let at = 0; at < CROWD; at += 100) await send(events.slice(at, at + 100));
  say(`   ${CROWD} events accepted (202): they are on disk`);
  const health = async (): Promise<{ breaker: string; lastFailure: string }> =>
    (await api<{ health: { breaker: string; lastFailure: string } }>("/v1/subscriptions/consumer")).health;
  await until("the relay to leave the consumer alone", async () => (await health()).breaker === "open");
  say(`   the relay leaves the consumer alone for 5 s: ${(await health()).lastFailure}`);
  await until("Slack to count them", () => JSON.stringify(slack.roots()).includes(`detected ×${CROWD}`));
  await consumer.up();
  const back = performance.now();
  say("   the consumer is up again");
  const arrived = (): readonly string[] => consumer.taken.slice(before).map(({ id }) => id);
  await until("everything to arrive", () => new Set(arrived()).size === CROWD);
  const seconds = ((performance.now() - back) / 1000).toFixed(1);
  const ids = new Set(arrived());
  const lost = events.filter(({ id }) => !ids.has(id)).length;
  say(
    `   ${ids.size} of ${CROWD} delivered and verified ${seconds} s later: ${lost} lost, ${arrived().length - ids.size} twice`,
  );
  assert.deepEqual([lost, arrived().length, consumer.forged], [0, CROWD, forged]);
}

/** A message that the consumer refuses is kept, and sent again when somebody says so. */
async function deadLetter(rig: RelayDemoRig, mend: () => void): Promise<void> {
  const { send, consumer, until, api } = rig;
  step("The consumer has a bug, it answers 400 to what it does not understand:");
  const event = new Story("invoices").event("salvage_failed", {
    severity: "critical",
    message: "no space left",
  });
  await send([event]);
  const dead = async (): Promise<readonly DeadLetter[]> =>
    (await api<{ deliveries: readonly DeadLetter[] }>("/v1/deliveries?state=dead")).deliveries;
  await until("the dead letter", async () => (await dead()).length === 1);
  const [letter] = await dead();
  assert.equal(letter?.event.id, event.id);
  say(`   GET /v1/deliveries?state=dead`);
  say(`      delivery ${letter.id} to ${letter.subscription}, ${letter.event.type}: ${letter.message}`);
  mend();
  say("   the bug is mended; POST /v1/replays");
  const replay = await api<object>("/v1/replays", { subscription: letter.subscription, state: "dead" });
  say(`      ${JSON.stringify(replay, ["id", "state", "filter", "subscription", "ratePerSecond"])}`);
  await until("the letter", () => consumer.taken.some(({ id, isReplay }) => id === event.id && isReplay));
  await until("the record", async () => (await dead()).length === 0);
}

function describe({ id, type, subject, isReplay }: VerifiedMessage): string {
  return `consumer: signature good, ${id.slice(0, 12)}… ${type} ${subject}${isReplay ? ", sent again" : ""}`;
}
