import assert from "node:assert/strict";
import { ServerResponse, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";

import type { Behaviour, Receiver } from "../../webhook-relay/testing/receiver.ts";
import { createLedger, type Ledger } from "./ledger.ts";

interface Bench {
  readonly ledger: Ledger;
  readonly arrives: (id: string, options?: { readonly isReplay?: boolean }) => void;
  /** the relay is killed; of these ids the store does not say that they were delivered */
  readonly killed: (...open: readonly string[]) => void;
}

function bench(): Bench {
  let behaviour: Behaviour | undefined;
  const receiver: Receiver = {
    port: 0,
    url: "",
    requests: [],
    ids: () => [],
    behave(next) {
      behaviour = next;
    },
    close: () => Promise.resolve(),
  };
  const ledger = createLedger({ one: receiver });
  ledger.owes(["a", "b"], "incident");
  ledger.answered(["a"], true);
  const raw = new IncomingMessage(new Socket());
  return {
    ledger,
    arrives(id, { isReplay = false } = {}) {
      const headers = { "webhook-id": id, ...(isReplay && { "tote-replay": "true" }) };
      behaviour?.({ method: "POST", path: "/", headers, body: "" }, new ServerResponse(raw), 1, raw);
    },
    killed: (...open) =>
      ledger.killed(
        "a point",
        open.map((id) => ({ subscription: "one", id, isReplay: false })),
      ),
  };
}

test("what was answered and did not arrive is lost, what was not answered is not", () => {
  const { ledger, arrives } = bench();
  assert.deepEqual(ledger.verdict().lost, ["a"]);
  arrives("a");
  assert.deepEqual(ledger.verdict().lost, []);
});

test("a repeat is explained by a kill between both arrivals that left the delivery open", () => {
  for (const [what, isExplained] of [
    ["kill", true],
    ["kill after the record", false],
    ["kill of another", false],
    ["kill before", false],
    ["no kill", false],
  ] as const) {
    const { ledger, arrives, killed } = bench();
    if (what === "kill before") killed("a");
    arrives("a");
    if (what === "kill") killed("a");
    if (what === "kill after the record") killed();
    if (what === "kill of another") killed("b");
    arrives("a");
    const { unexplained, duplicates, duplicatesBy } = ledger.verdict();
    assert.equal(duplicates, 1);
    assert.deepEqual(unexplained, isExplained ? [] : ["a"], what);
    assert.deepEqual(duplicatesBy, isExplained ? { "a point": 1 } : {});
  }
});

test("a replay is no repeat, and one that comes twice is not explained by what was open before it", () => {
  const { ledger, arrives, killed } = bench();
  arrives("a");
  killed("a");
  arrives("a", { isReplay: true });
  assert.equal(ledger.verdict().duplicates, 0);
  killed("a");
  arrives("a", { isReplay: true });
  assert.deepEqual(ledger.verdict().unexplained, ["a"]);
});

test("one kill explains only as many repeats as can be under way, and no id that nobody posted", () => {
  const { ledger, arrives, killed } = bench();
  const ids = Array.from({ length: 33 }, (_, at) => `many-${at}`);
  ledger.owes(ids, "incident");
  for (const id of ids) arrives(id);
  killed(...ids);
  for (const id of ids) arrives(id);
  assert.deepEqual(ledger.verdict().tooMany, ["a point: 33"]);
  assert.deepEqual(ledger.verdict().unknown, []);
  arrives("from nowhere");
  assert.deepEqual(ledger.verdict().unknown, ["from nowhere"]);
});
