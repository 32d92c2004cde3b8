import assert from "node:assert/strict";
import { ServerResponse, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";

import type { Behaviour, Receiver } from "../../webhook-relay/testing/receiver.ts";
import { createLedger, type Ledger } from "./ledger.ts";

interface Bench {
  readonly ledger: Ledger;
  /** an id arrives, so many milliseconds after the last thing that happened */
  readonly arrives: (id: string, afterMs?: number) => void;
  /** the relay ends after so many milliseconds */
  readonly ends: (afterMs?: number) => void;
}

function bench(): Bench {
  let now = 0;
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
  const ledger = createLedger([receiver], () => now);
  ledger.owes(["a", "b"], "incident");
  ledger.answered(["a"], true, 1);
  const raw = new IncomingMessage(new Socket());
  return {
    ledger,
    arrives(id, afterMs = 1) {
      now += afterMs;
      const request = { method: "POST", path: "/", headers: { "webhook-id": id }, body: "" };
      behaviour?.(request, new ServerResponse(raw), 1, raw);
    },
    ends(afterMs = 1) {
      now += afterMs;
      ledger.killed(now, "a point");
    },
  };
}

test("what was answered and did not arrive is lost, what was not answered is not", () => {
  const { ledger, arrives } = bench();
  assert.deepEqual(ledger.verdict().lost, ["a"]);
  arrives("a");
  assert.deepEqual(ledger.verdict().lost, []);
});

test("a repeat is explained by a kill soon after the first arrival, not by one before or long after", () => {
  for (const [what, isExplained] of [
    ["kill", true],
    ["kill late", false],
    ["no kill", false],
    ["kill before", false],
  ] as const) {
    const { ledger, arrives, ends } = bench();
    if (what === "kill before") ends();
    arrives("a", 500);
    if (what === "kill") ends(100);
    if (what === "kill late") ends(600);
    arrives("a", 2000);
    const { unexplained, duplicates, duplicatesBy, longestMs } = ledger.verdict();
    assert.equal(duplicates, 1);
    assert.deepEqual(unexplained, isExplained ? [] : ["a"], what);
    assert.deepEqual(duplicatesBy, isExplained ? { "a point": 1 } : {});
    assert.equal(longestMs, isExplained ? 100 : 0);
  }
});

test("slow answers of the relay that was killed give its repeats more time, not those of the next one", () => {
  const { ledger, arrives, ends } = bench();
  ledger.answered(["b"], true, 700);
  arrives("a");
  ends(800);
  arrives("a");
  assert.deepEqual(ledger.verdict().unexplained, []);
  arrives("b", 2000);
  ends(800);
  arrives("b");
  assert.deepEqual(ledger.verdict().unexplained, ["b"]);
});

test("one kill explains only as many repeats as can be under way, and no id that nobody posted", () => {
  const { ledger, arrives, ends } = bench();
  const ids = Array.from({ length: 33 }, (_, at) => `many-${at}`);
  ledger.owes(ids, "incident");
  for (const id of ids) arrives(id, 0);
  ends();
  for (const id of ids) arrives(id, 0);
  assert.deepEqual(ledger.verdict().tooMany, ["a point: 33"]);
  assert.deepEqual(ledger.verdict().unknown, []);
  arrives("from nowhere");
  assert.deepEqual(ledger.verdict().unknown, ["from nowhere"]);
});
