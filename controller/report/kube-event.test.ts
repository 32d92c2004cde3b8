import assert from "node:assert/strict";
import { test } from "node:test";

import { isMicroTime } from "../kube/micro-time.ts";
import type { KubeEvent } from "../kube/objects.ts";
import type { SalvageRecord, TransitionType } from "../objects/salvage-record.ts";
import { CHANGES, ORIGIN, record, statusAfter, T0 } from "../testing/records.ts";
import type { RecordChange } from "../salvage/record-change.ts";
import { buildKubeEvents, buildOverflowEvent, seriesPatch } from "./kube-event.ts";

const { detected, planned, started, salvaged, failed, refused, recovered, notRecovered } = CHANGES;
const IMAGE = ORIGIN.image;
const CONTEXT = { instance: "tote-0", hangs: () => false };
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

function of(...changes: readonly RecordChange[]): SalvageRecord {
  return record({ status: statusAfter(...changes) });
}

function eventOf(from: SalvageRecord, type: TransitionType): KubeEvent | undefined {
  const transition = from.status.transitions?.find((candidate) => candidate.type === type);
  assert.ok(transition !== undefined, type);
  return buildKubeEvents(from, transition, CONTEXT)[0];
}

const TABLE: readonly (readonly [TransitionType, readonly RecordChange[], string, string, string])[] = [
  [
    "salvageable",
    [detected, planned],
    "ImageSalvageable",
    "Detected",
    `Registry pull failed for ${IMAGE}; image digest exists on nodes: [node-a, node-c, node-d]. This is technical debt — rebuild and push the image properly.`,
  ],
  [
    "salvaged",
    [detected, planned, started, salvaged],
    "ImageSalvaged",
    "Salvaged",
    `Image ${IMAGE} salvaged from node node-a to node node-b via containerd. This is emergency — rebuild properly.`,
  ],
  [
    "salvage_failed",
    [detected, planned, started, failed],
    "ImageSalvageFailed",
    "Salvaging",
    `Image salvage failed for ${IMAGE}: 8 attempts failed`,
  ],
  [
    "not_actionable",
    [detected, refused],
    "ImageNotActionable",
    "Detected",
    `Not actionable: image ${IMAGE}: no pod has it`,
  ],
  [
    "not_actionable",
    [detected, { ...refused, reason: "ImageUnresolved", message: "nobody knows it" }],
    "ImageNotActionable",
    "Detected",
    `Not actionable: image ${IMAGE} uses tag, not digest, and nobody knows it. Pin images by digest for tote to help.`,
  ],
  [
    "not_actionable",
    [detected, { ...refused, reason: "ImageResolvedUncached" }],
    "ImageResolvedUncached",
    "Detected",
    `Tag ${IMAGE} resolved to sha256:${"a".repeat(64)} via registry, but no node has it cached. Image exists in registry but was never pulled to this cluster.`,
  ],
  [
    "ambiguous",
    [detected, { ...refused, reason: "ImageAmbiguous", message: "two digests" }],
    "ImageAmbiguous",
    "Detected",
    `Ambiguous image ${IMAGE}: two digests`,
  ],
  [
    "corrupt",
    [{ ...detected, isCorrupt: true }],
    "ImageCorrupt",
    "Cleaning",
    `Corrupt image record for ${IMAGE} on node node-b: content blobs missing. They are fetched from another node; the record is removed only when nobody has them.`,
  ],
];

for (const [type, changes, reason, action, note] of TABLE) {
  test(`the Event for ${type}: ${note.slice(0, 60)}`, () => {
    const event = eventOf(of(...changes), type);
    assert.equal(event?.reason, reason);
    assert.equal(event?.action, action);
    assert.equal(event?.type, "Warning");
    assert.equal(event?.note, note);
  });
}

test("an Event has all that the API server asks for", () => {
  const from = of(detected, planned);
  const event = eventOf(from, "salvageable");
  assert.ok(event !== undefined);
  const { metadata, note, ...rest } = event;
  assert.ok(note !== undefined);
  assert.equal(metadata.namespace, "shop");
  assert.match(metadata.name, /^app-aaaaaaaa-0123456789\.[a-f0-9]{16}$/);
  assert.deepEqual(rest, {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    eventTime: "2026-08-01T10:00:01.000000Z",
    reportingController: "tote",
    reportingInstance: "tote-0",
    action: "Detected",
    reason: "ImageSalvageable",
    regarding: { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "web-1", uid: "uid-web-1" },
    related: {
      apiVersion: "tote.dev/v1alpha1",
      kind: "SalvageRecord",
      namespace: "shop",
      name: "app-aaaaaaaa-0123456789",
      uid: "uid-app-aaaaaaaa-0123456789",
    },
    type: "Warning",
  });
  assert.ok(isMicroTime(event.eventTime ?? ""));
});

test("one record and reason have one name, others have others", () => {
  const first = of(detected, planned, started, salvaged);
  const names = [
    eventOf(first, "salvageable"),
    eventOf(first, "salvaged"),
    eventOf(record({ name: "other", status: first.status }), "salvaged"),
  ].map((event) => event?.metadata.name);
  assert.equal(new Set(names).size, 3);
  assert.equal(eventOf(first, "salvaged")?.metadata.name, names[1]);
});

test("every pod of a record has an Event of its own, the one seen first under the record's own name", () => {
  const pods = Array.from({ length: 30 }, (_none, at) => ({ name: `web-${at}`, uid: `uid-web-${at}` }));
  const from = of({ ...detected, pods: pods.slice(0, 25) }, planned);
  const [, transition] = from.status.transitions ?? [];
  assert.ok(transition !== undefined);
  const events = buildKubeEvents(from, transition, CONTEXT);
  assert.equal(events.length, 20);
  assert.equal(new Set(events.map(({ metadata }) => metadata.name)).size, 20);
  assert.equal(new Set(events.map(({ regarding }) => regarding?.uid)).size, 20);
  assert.equal(events[0]?.regarding?.name, ORIGIN.pod);
  const alone = buildKubeEvents(of(detected, planned), transition, CONTEXT);
  assert.equal(events[0].metadata.name, alone[0]?.metadata.name);
});

test("a pod whose pull hangs is told what to do, the others are not", () => {
  const pods = ["web-1", "web-2"].map((name) => ({ name, uid: `uid-${name}` }));
  const from = of({ ...detected, pods }, planned, started, salvaged);
  const transition = from.status.transitions?.find(({ type }) => type === "salvaged");
  assert.ok(transition !== undefined);
  const hangs = (uid: string): boolean => uid === "uid-web-2";
  const notes = buildKubeEvents(from, transition, { ...CONTEXT, hangs }).map(({ note }) => note ?? "");
  assert.doesNotMatch(notes[0] ?? "", /hangs/);
  assert.match(notes[1] ?? "", /This pod's pull hangs\..*delete pod web-2/);
});

test("an order's Event is about its record, and its long name gives a legal one", () => {
  const order = { ...detected, origin: { ...ORIGIN, pod: "", podUid: "" } };
  const name = `${"a".repeat(198)}-.${"b".repeat(53)}`;
  const event = eventOf(record({ name, status: statusAfter(order, planned) }), "salvageable");
  assert.equal(event?.regarding?.kind, "SalvageRecord");
  assert.equal(event?.related, undefined);
  assert.match(event?.metadata.name ?? "", NAME);
  assert.ok((event?.metadata.name.length ?? 0) <= 253);
});

test("a note is cut to 1024 bytes, not inside a character", () => {
  const event = eventOf(of(detected, { ...refused, message: "€🐳".repeat(2000) }), "not_actionable");
  const note = event?.note ?? "";
  assert.ok(Buffer.byteLength(note) <= 1024 && Buffer.byteLength(note) > 1015);
  assert.ok(note.isWellFormed() && note.endsWith("…"));
});

test("transitions that only the relay hears of have no Event", () => {
  const from = of(detected, planned, started, salvaged, notRecovered, recovered);
  for (const type of ["detected", "recovered", "not_recovered"] as const) {
    assert.equal(eventOf(from, type), undefined);
  }
});

test("a repeat changes the series alone", () => {
  assert.deepEqual(seriesPatch(3, T0), {
    series: { count: 3, lastObservedTime: "2026-08-01T10:00:00.000000Z" },
  });
});

test("refusals beyond the bound are summed up once an hour, about the Lease", () => {
  const lease = { namespace: "tote", name: "tote-controller" };
  const at = (now: number): KubeEvent =>
    buildOverflowEvent({ refused: 4321, lease, instance: "tote-0", now });
  const event = at(T0);
  assert.equal(event.regarding?.kind, "Lease");
  assert.equal(event.metadata.namespace, "tote");
  assert.match(event.note ?? "", /4321 image failures/);
  assert.equal(at(T0 + 59 * 60_000).metadata.name, event.metadata.name);
  assert.notEqual(at(T0 + 60 * 60_000).metadata.name, event.metadata.name);
});
