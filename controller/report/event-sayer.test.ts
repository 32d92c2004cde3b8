import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { EVENT_MAX_AGE_MS, EVENT_REPEAT_MS } from "../limits.ts";
import { asObject, asText } from "../objects/json.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { PodOptions } from "../testing/pods.ts";
import { CHANGES, PLAN } from "../testing/records.ts";
import { salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { EventSayer } from "./event-sayer.ts";

const { detected, planned, failed, refused } = CHANGES;
const FAILING: PodOptions = { name: "web-1", containers: [{ waiting: { reason: "ErrImagePull" } }] };

interface Case extends SalvageRig {
  /** Says what is to be said about a record as it is now. */
  readonly say: (record: SalvageRecord, by?: EventSayer) => Promise<number | undefined>;
  /** "reason pod count" of each Event that is there */
  readonly events: () => readonly string[];
  /** a sayer that remembers nothing, as after a change of leader */
  readonly another: () => EventSayer;
  /** Sets the time of day. */
  readonly turn: (milliseconds: number) => void;
}

async function setUp(t: TestContext): Promise<Case> {
  const rig = await salvageRig(t);
  const { api, book, failures, clock, server, signal } = rig;
  const jump = { ms: 0 };
  const another = (): EventSayer =>
    new EventSayer({
      api,
      book,
      failures,
      instance: "tote-0",
      now: () => clock.now() + jump.ms,
      monotonic: () => clock.monotonic(),
      logger: silentLogger,
    });
  const sayer = another();
  return {
    ...rig,
    another,
    turn: (milliseconds) => void (jump.ms += milliseconds),
    async say({ metadata }, by = sayer) {
      const key = `shop/${metadata.name}`;
      const now = book.get(key);
      assert.ok(now);
      return await by.say(key, now, signal);
    },
    events: () =>
      server
        .list("events.events.k8s.io", "shop")
        .map(({ reason, regarding, series }) => {
          const count = JSON.stringify(asObject(series)["count"] ?? 1);
          return `${asText(reason)} ${asText(asObject(regarding)["name"])} ${count}`;
        })
        .sort(),
  };
}

test("each pod that waits gets an Event of its own, once", async (t) => {
  const { record, say, events, server } = await setUp(t);
  const pods = ["web-1", "web-2"].map((name) => ({ name, uid: `uid-${name}` }));
  const open = await record({ ...detected, pods }, planned);
  await say(open);
  assert.deepEqual(events(), ["ImageSalvageable web-1 1", "ImageSalvageable web-2 1"]);
  const before = server.requests.length;
  await say(open);
  assert.equal(server.requests.length, before, "what was said is not sent again");
});

test("a pod that joins later gets the Event that the others have", async (t) => {
  const { record, say, events, book, signal } = await setUp(t);
  const open = await record(detected, planned);
  await say(open);
  const pods = ["web-1", "web-9"].map((name) => ({ name, uid: `uid-${name}` }));
  await book.change(`shop/${open.metadata.name}`, { type: "pods", pods }, signal);
  await say(open);
  assert.equal(events().length, 2);
});

test("the next leader says nothing twice", async (t) => {
  const { record, say, events, another } = await setUp(t);
  const open = await record(detected, planned);
  await say(open);
  await say(open, another());
  assert.equal(events().length, 1);
});

test("what happened long ago is not made up for", async (t) => {
  const { record, say, events, another, clock } = await setUp(t);
  const open = await record(detected, planned);
  await clock.advance(EVENT_MAX_AGE_MS);
  await say(open, another());
  assert.deepEqual(events(), []);
});

test("a clock that is set neither leaves an Event out nor repeats one", async (t) => {
  const { record, say, events, show, clock, turn, book, signal } = await setUp(t);
  show(FAILING);
  const open = await record(detected);
  await say(open);
  await book.change(`shop/${open.metadata.name}`, planned, signal);
  turn(2 * EVENT_MAX_AGE_MS);
  await say(open);
  assert.deepEqual(events(), ["ImageSalvageable web-1 1"]);
  await book.change(`shop/${open.metadata.name}`, failed, signal);
  await say(open);
  turn(2 * EVENT_REPEAT_MS);
  assert.equal(await say(open), EVENT_REPEAT_MS);
  turn(-9 * EVENT_REPEAT_MS);
  await clock.advance(1_000);
  assert.equal(await say(open), EVENT_REPEAT_MS - 1_000);
});

test("what has failed for good is counted up every half hour while the pod still fails", async (t) => {
  const { record, say, events, show, clock } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, failed);
  assert.equal(await say(done), EVENT_REPEAT_MS);
  const first = events();
  await clock.advance(EVENT_REPEAT_MS - 1);
  assert.equal(await say(done), 1);
  assert.deepEqual(events(), first);
  await clock.advance(1);
  assert.equal(await say(done), EVENT_REPEAT_MS);
  assert.equal(events().filter((event) => event.endsWith(" 2")).length, 1);
  await clock.advance(EVENT_REPEAT_MS);
  await say(done);
  assert.equal(events().filter((event) => event.endsWith(" 3")).length, 1);
});

test("what only agents are missing for is counted up likewise", async (t) => {
  const { record, say, events, show, clock } = await setUp(t);
  show(FAILING);
  const salvageable = { digest: PLAN.digest, holders: ["node-a"] };
  const done = await record(detected, { ...refused, reason: "NoAgent", salvageable });
  assert.equal(await say(done), EVENT_REPEAT_MS);
  await clock.advance(EVENT_REPEAT_MS);
  await say(done);
  assert.deepEqual(events(), ["ImageSalvageable web-1 2"]);
});

test("an Event that the API server has forgotten is written anew", async (t) => {
  const { record, say, events, show, clock, server } = await setUp(t);
  show(FAILING);
  const done = await record(detected, refused);
  await say(done);
  const told = events();
  for (const { metadata } of server.list("events.events.k8s.io", "shop")) {
    server.delete("events.events.k8s.io", `shop/${metadata.name}`);
  }
  await clock.advance(EVENT_REPEAT_MS);
  await say(done);
  assert.deepEqual(events(), ["ImageNotActionable web-1 1"], `before it was forgotten: ${told.join(", ")}`);
});

test("nothing is repeated once the pod is gone, or a later record speaks for it", async (t) => {
  const { record, say, show, remove, clock } = await setUp(t);
  show(FAILING);
  const done = await record(detected, planned, failed);
  assert.equal(await say(done), EVENT_REPEAT_MS);
  await clock.advance(5_000);
  await record(detected);
  assert.equal(await say(done), undefined);
  remove("web-1");
  assert.equal(await say(done), undefined);
});

test("a namespace that takes no Events holds nothing up, an API server in trouble does", async (t) => {
  const { record, say, events, server } = await setUp(t);
  const open = await record(detected, planned);
  server.faults.add({ kind: "status", status: 409, reason: "Conflict", verb: "create", times: 1 });
  await assert.rejects(say(open), /409 Conflict/);
  server.faults.add({ kind: "status", status: 403, verb: "create", times: 1 });
  await say(open);
  await say(open);
  assert.deepEqual(events(), [], "it was left out for good");
});
