import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import { openStore } from "./sqlite-store.ts";

test("incidents come by their newest event, counted whole, a page at a time", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "relay-incidents-"));
  const { store } = openStore({
    directory,
    clock: { now: () => 1000, monotonic: () => performance.now() },
    parseEvent: readStoredEvent,
  });
  t.after(() => {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const order = ["a", "b", "a", "", "c", "b", "a"];
  for (const [at, incident] of order.entries()) {
    const event = testEvent({ id: `e${at}`, data: { incident, message: `no. ${at}` } });
    const body = JSON.stringify(event);
    await store.accept([{ event, body, digest: new Uint8Array(32), deliveries: [] }], 1000 + at);
  }
  const first = store.incidents({ limit: 2, cursor: undefined });
  const rest = store.incidents({ limit: 2, cursor: first.next });
  assert.equal(rest.next, undefined);
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ incident, events, firstAt, lastAt, body }) => [
      incident,
      events,
      firstAt,
      lastAt,
      readStoredEvent(body).data.message,
    ]),
    [
      ["a", 3, 1000, 1006, "no. 6"],
      ["b", 2, 1001, 1005, "no. 5"],
      ["c", 1, 1004, 1004, "no. 4"],
    ],
  );
});
