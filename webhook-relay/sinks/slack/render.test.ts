import assert from "node:assert/strict";
import { test } from "node:test";

import type { RelayEvent } from "../../event/event.ts";
import { testEvent } from "../../event/testing.ts";
import { markupOf, refusalOf, textsOfMessage } from "../../testing/slack-limits.ts";
import type { Batch } from "../sink.ts";
import type { Rendered } from "./blocks.ts";
import { addToCard, type IncidentCard } from "./incident-card.ts";
import { renderAlone, renderIncident, renderReply } from "./render-incident.ts";
import { blockIdOf, readRoot, readStorm, writeState } from "./state.ts";
import { addToStorm, renderStorm, type StormCard } from "./storm-card.ts";
import { DEBT } from "./words.ts";

const HOSTILE = [
  "",
  " ",
  "<!channel>",
  "@here @everyone",
  "<https://evil.example|your registry>",
  "&".repeat(5000),
  "<".repeat(300),
  "`*_~".repeat(500),
  "\ud83d",
  "\udc00\ud800",
  "🚀".repeat(2000),
  "\u202e\u0000\n\r\u2028",
  '{"text":"x"}\\',
  "x".repeat(60_000),
  "\u0001".repeat(4000),
  "é".repeat(400),
  "evil.example/@channel:latest",
] as const;

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function hostileEvent(random: () => number): RelayEvent {
  const text = (): string => HOSTILE[Math.floor(random() * HOSTILE.length)] ?? "";
  const many = random() < 0.1 ? 500 : Math.floor(random() * 5);
  return {
    id: "x",
    type:
      random() < 0.5 ? "tote.image.salvaged" : `tote.${"very_long_".repeat(11)}${Math.floor(random() * 50)}`,
    source: text(),
    time: new Date(Date.UTC(2026, 0, 1) + Math.floor(random() * 1e9)).toISOString(),
    subject: text(),
    data: {
      ...(random() < 0.7 && {
        incident: text(),
        namespace: text(),
        pod: text(),
        image: text(),
        digest: text(),
      }),
      ...(random() < 0.7 && { owner: { kind: text(), name: text() }, cause: text(), reason: text() }),
      ...(random() < 0.7 && { sourceNodes: Array.from({ length: many }, text), targetNode: text() }),
      ...(random() < 0.7 && { message: text(), bytes: random() * 1e15, durationMs: random() * 1e12 }),
    },
  };
}

function batchOf(events: readonly RelayEvent[], total = events.length): Batch {
  const times = events.map(({ time }) => new Date(time).toISOString()).toSorted();
  const counts = new Map<string, number>();
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  return {
    messageId: "m",
    groupKey: "g",
    isOverflow: false,
    total,
    items: events.map((event, at) => ({ deliveryId: at + 1, event, body: "" })),
    tallies: [...counts].map(([type, count]) => ({ type, severity: "", count })),
    firstTime: times[0] ?? "",
    lastTime: times.at(-1) ?? "",
  };
}

/** What must hold of every message. */
function check({ text, blocks, fallback }: Rendered, isAboutImages: boolean): void {
  for (const body of [{ text, blocks }, { text: fallback }]) {
    assert.equal(refusalOf(body), "", JSON.stringify(body).slice(0, 500));
    assert.deepEqual(markupOf(body), []);
    assert.ok(!isAboutImages || textsOfMessage(body).some((one) => one.includes(DEBT)));
  }
  const size = textsOfMessage({ text, blocks }).join("").length;
  // half of what Slack is known to take, so that its answer can be read, however it escapes
  assert.ok(size <= 7_000, `${size} characters`);
  assert.ok(fallback.length <= 3000, `${fallback.length} characters`);
}

test("every message is within the limits, calls nobody and speaks of debt, whatever is in the events", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomOf(seed);
    let card: IncidentCard | undefined;
    let storm: StormCard | undefined;
    for (let round = 0; round < 4; round += 1) {
      const events = Array.from({ length: 1 + Math.floor(random() * 30) }, () => hostileEvent(random));
      const batch = batchOf(events, events.length + Math.floor(random() * 10_000));
      card = addToCard(card, batch, random() < 0.2);
      storm = addToStorm(storm, batch, random() < 0.2);
      check(renderIncident(card, blockIdOf("a")), true);
      check(renderStorm(storm, blockIdOf("b")), true);
      check(renderReply(events, batch.total - events.length, random() < 0.5), false);
      for (const event of events.slice(0, 2)) check(renderAlone(event), false);
    }
    assert.ok(card);
    const root = { channel: "C1", ts: "1.2", card };
    assert.ok(writeState(root).length < 40_000);
    assert.deepEqual(readRoot(writeState(root))?.card, JSON.parse(JSON.stringify(card)));
  }
});

test("what is largest by design still fits", () => {
  const long = (name: string): string => `${name}${"<".repeat(400)}`;
  const full = testEvent({
    source: long("source"),
    data: {
      owner: { kind: long("kind"), name: long("name") },
      namespace: long("namespace"),
      pod: long("pod"),
      image: long("image"),
      digest: long("digest"),
      cause: long("cause"),
      reason: long("reason"),
      sourceNodes: Array.from({ length: 50 }, (_, at) => long(`node-${at}`)),
      targetNode: long("target"),
      message: long("message").repeat(20),
      bytes: 1.5e12,
      durationMs: 123_456_789,
    },
  });
  const types = Array.from({ length: 40 }, (_, at) => `tote.image.${"long_name_".repeat(10)}${at}`);
  const events = [...types, "tote.image.salvaged", "tote.image.recovered"].flatMap((type, at) => [
    { ...full, type, time: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString() },
    { ...full, type, time: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString() },
  ]);
  const batch = batchOf(events, 10_000);
  const card = addToCard(undefined, batch, false);
  check(renderIncident(card), true);
  check(renderStorm(addToStorm(undefined, batch, false)), true);
  check(renderReply(events, 9_000, true), false);
  assert.equal(card.counts.length, 21, "20 types and the others");
});

test("an incident is told with all that is known, and nothing that is not", () => {
  const types = ["detected", "salvaged", "recovered"];
  const events = types.map((type, at) =>
    testEvent({
      type: `tote.image.${type}`,
      time: `2026-01-31T12:00:0${at}.000Z`,
      data: {
        bytes: type === "salvaged" ? 48_231_414 : 0,
        durationMs: at * 1500,
        digest: "",
        targetNode: "",
      },
    }),
  );
  const { text, blocks } = renderIncident(addToCard(undefined, batchOf(events), false));
  assert.equal(text, `✅ shop/Deployment/web: running again. ${DEBT}`);
  const shown = blocks.flatMap((block) => ("fields" in block ? block.fields.map((one) => one.text) : []));
  assert.deepEqual(shown, [
    "*Image*\n`registry.example/web:1.2`",
    "*Namespace*\n`shop`",
    "*Workload*\n`Deployment/web`",
    "*Pod*\n`web-1`",
    "*Why*\nunreachable (ImagePullBackOff)",
    "*On nodes*\n`node-a, node-b`",
    "*Moved*\n46 MiB in 1.5s",
    "*Ran after*\n3s",
  ]);
  const bare = testEvent({ data: { image: "", owner: { kind: "", name: "" }, message: "" } });
  check(renderIncident(addToCard(undefined, batchOf([{ ...bare, data: {} }]), false)), true);
});

test("events in any order give the same state, steps and gaps filled", () => {
  const events = ["detected", "salvageable", "salvaged", "recovered"].map((type, at) =>
    testEvent({
      type: `tote.image.${type}`,
      time: `2026-01-31T12:00:0${at}.000Z`,
      data: { digest: type === "detected" ? "" : "sha256:1", message: type },
    }),
  );
  const whole = addToCard(undefined, batchOf(events), false);
  assert.equal(whole.type, "tote.image.recovered");
  assert.equal(whole.texts.message, "recovered");
  for (const order of [
    [3, 0, 1, 2],
    [1, 3, 2, 0],
    [3, 2, 1, 0],
  ]) {
    let card: IncidentCard | undefined;
    for (const at of order) {
      const event = events[at];
      if (event !== undefined) card = addToCard(card, batchOf([event]), false);
    }
    assert.deepEqual(card, whole, String(order));
  }
});

test("a storm that is sent again is not counted again, unless its message is another", () => {
  const batch = batchOf([testEvent()], 30);
  const storm = addToStorm(undefined, batch, false);
  assert.equal(storm.total, 30);
  const again = addToStorm(storm, batch, true);
  assert.deepEqual([again.total, again.counts], [storm.total, storm.counts]);
  assert.equal(addToStorm(storm, batch, false).total, 60);
  assert.equal(addToStorm(undefined, batch, true).total, 30);
  const later = batchOf([testEvent({ time: "2026-02-01T12:00:00.000Z" })], 5);
  assert.equal(addToStorm(storm, later, true).total, 35, "what was never in it");
});

test("what another release remembered is not trusted", () => {
  assert.equal(readRoot(undefined), undefined);
  assert.equal(readRoot('{"v":2,"channel":"C","ts":"1","card":{}}'), undefined);
  assert.equal(readRoot("[]"), undefined);
  assert.equal(readStorm('{"v":1,"channel":"C","ts":"1","card":{}}'), undefined);
});
