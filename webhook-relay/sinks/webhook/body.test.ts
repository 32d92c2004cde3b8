import assert from "node:assert/strict";
import { test } from "node:test";

import { CloudEvent, HTTP } from "cloudevents";

import { testEvent } from "../../event/testing.ts";
import type { Batch } from "../sink.ts";
import { formatBody } from "./body.ts";

function batchOf(...events: readonly ReturnType<typeof testEvent>[]): Batch {
  return {
    messageId: events.length === 1 ? (events[0]?.id ?? "") : "ab".repeat(32),
    groupKey: undefined,
    isOverflow: false,
    total: events.length,
    items: events.map((event, at) => ({ deliveryId: at + 1, event, body: JSON.stringify(event) })),
    tallies: [{ type: "tote.image.detected", severity: "warning", count: events.length }],
    firstTime: "2026-01-31T12:00:00.000Z",
    lastTime: "2026-01-31T12:00:09.000Z",
  };
}

test("the standard format is the event to the byte", () => {
  const event = testEvent();
  const batch: Batch = { ...batchOf(event), items: [{ deliveryId: 1, event, body: '{"as": "it came"}' }] };
  assert.deepEqual(formatBody(batch, "standard"), {
    contentType: "application/json",
    body: '{"as": "it came"}',
  });
});

test("the cloudevents package reads the CloudEvents format and finds it valid", () => {
  const event = testEvent({ source: "cluster one/ä" });
  const { contentType, body } = formatBody(batchOf(event), "cloudevents");
  const read = HTTP.toEvent({ headers: { "content-type": contentType }, body });
  assert.ok(!Array.isArray(read));
  const cloudEvent = new CloudEvent(read);
  assert.equal(cloudEvent.validate(), true);
  assert.equal(cloudEvent.specversion, "1.0");
  assert.equal(cloudEvent.id, event.id);
  assert.equal(cloudEvent.type, event.type);
  assert.equal(cloudEvent.source, "cluster%20one/%C3%A4");
  const broken = JSON.parse(formatBody(batchOf(testEvent({ source: "half \ud83d" })), "cloudevents").body);
  assert.equal(broken.source, "half%20%EF%BF%BD");
  assert.equal(cloudEvent.subject, event.subject);
  assert.equal(Date.parse(cloudEvent.time ?? ""), Date.parse(event.time));
  assert.deepEqual(cloudEvent.data, event.data);
});

test("a summary says how many it stands for, of what, and shows some", () => {
  const events = [testEvent({ id: "a" }), testEvent({ id: "b" })];
  const batch = { ...batchOf(...events), total: 7 };
  const summary = JSON.parse(formatBody(batch, "standard").body);
  assert.equal(summary.id, batch.messageId);
  assert.equal(summary.type, "tote.relay.summary");
  assert.equal(summary.time, batch.lastTime);
  assert.deepEqual(
    [summary.data.count, summary.data.truncated, summary.data.first, summary.data.last],
    [7, 5, batch.firstTime, batch.lastTime],
  );
  assert.deepEqual(summary.data.events, events);
  const read = HTTP.toEvent({
    headers: { "content-type": "application/cloudevents+json" },
    body: formatBody(batch, "cloudevents").body,
  });
  assert.ok(!Array.isArray(read));
  assert.equal(read.id, batch.messageId);
});

test("tote-v0 is the payload of the original, with what is empty left out", () => {
  const detected = JSON.parse(formatBody(batchOf(testEvent()), "tote-v0").body);
  assert.deepEqual(detected, {
    type: "detected",
    pod_name: "web-1",
    namespace: "shop",
    image_ref: "registry.example/web:1.2",
    digest: `sha256:${"ab".repeat(32)}`,
    source_node: "node-a",
    target_node: "node-c",
    timestamp: "2026-01-31T12:00:00Z",
  });
  const failed = testEvent({
    type: "tote.image.salvage_failed",
    data: { digest: "", sourceNodes: [], message: "no node has it" },
  });
  const body = JSON.parse(formatBody(batchOf(failed), "tote-v0").body);
  assert.deepEqual(Object.keys(body), [
    "type",
    "pod_name",
    "namespace",
    "image_ref",
    "target_node",
    "error",
    "timestamp",
  ]);
  assert.deepEqual([body.type, body.error], ["salvage_failed", "no node has it"]);
});
