import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { TRANSITION_TYPES, type SalvageRecord, type TransitionType } from "../objects/salvage-record.ts";
import { CHANGES } from "../testing/records.ts";
import { salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { EventSayer } from "./event-sayer.ts";
import { Outbox } from "./outbox.ts";

const { detected, planned, started, salvaged, failed } = CHANGES;

interface Case extends SalvageRig {
  readonly outbox: Outbox;
  /** last words of the types of events that the relay took */
  readonly taken: TransitionType[];
  /** ids and bodies, those that were refused included */
  readonly posted: { readonly id: string; readonly body: string }[];
  /** types that the relay refuses */
  readonly refused: Set<TransitionType>;
  readonly owed: (record: SalvageRecord) => readonly TransitionType[];
  readonly reconcile: (record: SalvageRecord) => ReturnType<Outbox["reconcile"]>;
}

async function setUp(t: TestContext, wanted: readonly TransitionType[] = TRANSITION_TYPES): Promise<Case> {
  const rig = await salvageRig(t);
  const { api, book, failures, clock, signal } = rig;
  const taken: TransitionType[] = [];
  const posted: { readonly id: string; readonly body: string }[] = [];
  const refused = new Set<TransitionType>();
  const now = (): number => clock.now();
  const outbox = new Outbox({
    book,
    events: new EventSayer({
      api,
      book,
      failures,
      instance: "tote-0",
      now,
      monotonic: () => clock.monotonic(),
      logger: silentLogger,
    }),
    relay: {
      async post(id, body, inner) {
        inner.throwIfAborted();
        posted.push({ id, body });
        const type = TRANSITION_TYPES.find((one) => body.includes(`"tote.image.${one}"`));
        if (type === undefined || refused.has(type)) throw new Error("the relay answered 503");
        taken.push(type);
        await Promise.resolve();
      },
      close: async () => await Promise.resolve(),
    },
    wanted: new Set(wanted),
    clusterName: "test",
  });
  return {
    ...rig,
    outbox,
    taken,
    posted,
    refused,
    owed: ({ metadata }) =>
      (book.get(`shop/${metadata.name}`)?.status.transitions ?? [])
        .filter(({ notified }) => !notified)
        .map(({ type }) => type),
    reconcile: async ({ metadata }) => await outbox.reconcile(`shop/${metadata.name}`, signal),
  };
}

test("the relay gets every transition once, in order, and the record says so", async (t) => {
  const { record, reconcile, taken, owed } = await setUp(t);
  const done = await record(detected, planned, started, salvaged);
  assert.deepEqual(await reconcile(done), { kind: "done" });
  assert.deepEqual(taken, ["detected", "salvageable", "salvaged"]);
  assert.deepEqual(owed(done), []);
  await reconcile(done);
  assert.equal(taken.length, 3, "told twice");
});

test("what comes later waits for what the relay does not take, and what it took is not sent again", async (t) => {
  const { record, reconcile, taken, owed, refused, posted } = await setUp(t);
  const done = await record(detected, planned, started, salvaged);
  refused.add("salvageable");
  assert.equal((await reconcile(done)).kind, "retry");
  assert.deepEqual(taken, ["detected"]);
  assert.deepEqual(owed(done), ["salvageable", "salvaged"]);
  refused.clear();
  assert.deepEqual(await reconcile(done), { kind: "done" });
  assert.deepEqual(taken, ["detected", "salvageable", "salvaged"]);
  const [, first, second] = posted;
  assert.deepEqual(second, first, "a repeat has the same id and the same bytes");
});

test("an event that was taken and could not be marked is sent again, byte for byte", async (t) => {
  const { record, reconcile, posted, server, owed } = await setUp(t);
  const done = await record(detected);
  server.faults.add({ kind: "status", status: 403, verb: "update", resource: "salvagerecords", times: 1 });
  await assert.rejects(reconcile(done), /cannot .* salvagerecords\/status/);
  await reconcile(done);
  assert.equal(posted.length, 2);
  assert.deepEqual(posted[1], posted[0]);
  assert.deepEqual(owed(done), []);
});

test("types that nobody wants are not sent and not waited for", async (t) => {
  const { record, reconcile, taken, outbox, signal } = await setUp(t, ["salvage_failed"]);
  const done = await record(detected, planned, failed);
  assert.deepEqual(await reconcile(done), { kind: "done" });
  assert.deepEqual(taken, ["salvage_failed"]);
  assert.deepEqual(await outbox.reconcile("shop/absent", signal), { kind: "done" });
});

test("the end of a term is passed on and nothing is marked", async (t) => {
  const { record, outbox, owed } = await setUp(t);
  const done = await record(detected);
  const ended = AbortSignal.abort(new Error("the lease is lost"));
  await assert.rejects(outbox.reconcile(`shop/${done.metadata.name}`, ended), /the lease is lost/);
  assert.deepEqual(owed(done), ["detected"]);
});
