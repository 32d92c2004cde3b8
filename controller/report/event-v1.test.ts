import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { FAILURE_CAUSES } from "../detect/failure.ts";
import { asObject } from "../objects/json.ts";
import { readSalvageRecord } from "../objects/read-salvage-record.ts";
import { TRANSITION_TYPES, type RecordTransition, type SalvageRecord } from "../objects/salvage-record.ts";
import { applyChange } from "../salvage/apply-change.ts";
import { CHANGES, DIGEST, ORIGIN, record, statusAfter, T0 } from "../testing/records.ts";
import { buildEvent, buildOverflowEvent, serialiseEvent, SEVERITIES } from "./event-v1.ts";

const SOURCE = "prod-eu";
const { detected, planned, started, progress, salvaged, failed, refused, recovered, notRecovered } = CHANGES;
const SALVAGED = record({ status: statusAfter(detected, planned, started, progress, salvaged) });

const schema: unknown = JSON.parse(
  readFileSync(new URL("../../docs/events.schema.json", import.meta.url), "utf8"),
);

function createValidator(): (event: unknown) => readonly string[] {
  const ajv = new Ajv2020({ allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(asObject(schema));
  return (event) => {
    validate(event);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
  };
}

function transitionOf(of: SalvageRecord, type: string): RecordTransition {
  const found = of.status.transitions?.find((transition) => transition.type === type);
  assert.ok(found !== undefined, type);
  return found;
}

test("an event says everything in one order, byte for byte", () => {
  const event = buildEvent(SALVAGED, transitionOf(SALVAGED, "salvaged"), SOURCE);
  const id = createHash("sha256").update("uid-app-aaaaaaaa-0123456789\nsalvaged").digest("hex");
  assert.equal(
    serialiseEvent(event),
    `{"id":"${id}","type":"tote.image.salvaged","source":"prod-eu","time":"2026-08-01T10:00:04.000Z","subject":"shop/web-1","data":{` +
      `"incident":"${ORIGIN.incident}","record":"app-aaaaaaaa-0123456789","owner":{"kind":"Deployment","name":"web"},` +
      `"pod":"web-1","namespace":"shop","container":"app","image":"registry.test:5000/app:v1","digest":"${DIGEST}",` +
      `"cause":"unreachable","reason":"Salvaged","severity":"warning","sourceNodes":["node-a"],"targetNode":"node-b",` +
      `"bytes":750,"durationMs":2000,"attempt":1,"message":"from node-a"}}`,
  );
});

test("a repeat is the same whatever has happened to the record since", () => {
  let status = statusAfter(detected);
  const first = new Map<string, string>();
  const changes = [
    planned,
    started,
    progress,
    salvaged,
    notRecovered,
    recovered,
    { type: "cause", cause: "unauthorized" },
    { type: "notified", types: ["detected"], wanted: new Set(TRANSITION_TYPES) },
  ] as const;
  for (const [index, change] of changes.entries()) {
    status = applyChange(status, change, T0 + index * 10_000);
    const now = record({ status, spec: { imageRef: `edited-${index}`, targetNode: "elsewhere" } });
    for (const transition of status.transitions ?? []) {
      const text = serialiseEvent(buildEvent(now, transition, SOURCE));
      assert.equal(text, first.get(transition.type) ?? text);
      first.set(transition.type, text);
    }
  }
  assert.equal(first.size, 5);
});

test("what was not known at the time is not told later", () => {
  const { digest: _, ...unresolved } = detected;
  const before = record({ status: statusAfter(unresolved) });
  const after = record({ status: statusAfter(unresolved, planned, started, salvaged) });
  const event = buildEvent(after, transitionOf(after, "detected"), SOURCE);
  assert.equal(event.data.digest, "");
  assert.deepEqual(event, buildEvent(before, transitionOf(before, "detected"), SOURCE));
  assert.equal(buildEvent(after, transitionOf(after, "salvaged"), SOURCE).data.digest, DIGEST);
});

test("a record that went through the API server gives the same event", () => {
  const json = { ...SALVAGED, metadata: { ...SALVAGED.metadata, resourceVersion: "99" } };
  const reading = readSalvageRecord(JSON.parse(JSON.stringify(json)));
  assert.ok(reading.kind === "record");
  for (const { type } of SALVAGED.status.transitions ?? []) {
    assert.equal(
      serialiseEvent(buildEvent(reading.record, transitionOf(reading.record, type), SOURCE)),
      serialiseEvent(buildEvent(SALVAGED, transitionOf(SALVAGED, type), SOURCE)),
    );
  }
});

test("each transition of each record has an id of its own", () => {
  const other = record({ name: "other", status: SALVAGED.status });
  const ids = [SALVAGED, other].flatMap((of) =>
    (of.status.transitions ?? []).map((transition) => buildEvent(of, transition, SOURCE).id),
  );
  assert.equal(new Set(ids).size, 6);
  for (const id of ids) assert.match(id, /^[a-f0-9]{64}$/);
});

const STORIES = [
  [{ ...detected, isCorrupt: true }, planned, started, failed],
  [detected, refused],
  [detected, { ...refused, reason: "ImageAmbiguous" }],
  [detected, planned, started, salvaged, notRecovered, recovered],
] as const;

test("every event fits the schema in docs", () => {
  const validate = createValidator();
  for (const changes of STORIES) {
    const of = record({ status: statusAfter(...changes) });
    for (const transition of of.status.transitions ?? []) {
      assert.deepEqual(validate(JSON.parse(serialiseEvent(buildEvent(of, transition, SOURCE)))), []);
    }
  }
});

test("events with huge words and many nodes fit the schema", () => {
  const validate = createValidator();
  const message = "🐳".repeat(10_000);
  const holders = Array.from({ length: 300 }, () => "n".repeat(253));
  const of = record({
    status: statusAfter({ ...detected, message }, { ...planned, holders }, { ...failed, message }),
  });
  for (const transition of of.status.transitions ?? []) {
    assert.deepEqual(validate(buildEvent(of, transition, SOURCE)), []);
  }
});

test("the schema refuses what is no event", () => {
  const validate = createValidator();
  const event = buildEvent(SALVAGED, transitionOf(SALVAGED, "salvaged"), SOURCE);
  const { id: _, ...withoutId } = event;
  assert.match(validate(withoutId).join(), /'id'/);
  assert.match(validate({ ...event, type: "tote.image.lost" }).join(), /allowed values/);
  assert.match(validate({ ...event, time: "now" }).join(), /date-time/);
  assert.match(validate({ ...event, data: { ...event.data, bytes: -1 } }).join(), />= 0/);
  assert.match(validate({ ...event, data: { ...event.data, severity: "bad" } }).join(), /allowed values/);
});

test("the schema's words are those of the code", () => {
  const properties = asObject(asObject(schema)["properties"]);
  const data = asObject(asObject(properties["data"])["properties"]);
  assert.deepEqual(
    asObject(properties["type"])["enum"],
    TRANSITION_TYPES.map((type) => `tote.image.${type}`),
  );
  assert.deepEqual(asObject(data["cause"])["enum"], [...FAILURE_CAUSES]);
  assert.deepEqual(asObject(data["severity"])["enum"], [...SEVERITIES]);
});

test("an order without a pod is called by its record", () => {
  const order = { ...detected, origin: { ...ORIGIN, pod: "", podUid: "", container: "" }, reason: "Ordered" };
  const of = record({ name: "bring-nginx", status: statusAfter(order) });
  const event = buildEvent(of, transitionOf(of, "detected"), SOURCE);
  assert.equal(event.subject, "shop/bring-nginx");
  assert.deepEqual(createValidator()(event), []);
});

test("what sums up refusals is an event like others, one in each hour", () => {
  const lease = { namespace: "tote", name: "tote-controller" };
  const at = (now: number): ReturnType<typeof buildOverflowEvent> =>
    buildOverflowEvent({ refused: 4321, lease, instance: "tote-0", source: SOURCE, now });
  assert.deepEqual(createValidator()(at(T0)), []);
  assert.match(at(T0).data.message, /4321 image failures/);
  assert.equal(at(T0 + 59 * 60_000).id, at(T0).id);
  assert.notEqual(at(T0 + 60 * 60_000).id, at(T0).id);
});
