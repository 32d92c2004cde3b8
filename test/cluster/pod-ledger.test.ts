import assert from "node:assert/strict";
import { test } from "node:test";

import { PodLedger } from "./pod-ledger.ts";

const pod = (name: string, uid: string, isLeaving = false) => ({ name, uid, isLeaving });

test("a pod that is gone, on its way, or made anew under its name is missing", () => {
  const ledger = new PodLedger();
  ledger.see("shop", [pod("a", "1"), pod("b", "2"), pod("c", "3"), pod("d", "4")]);
  const now = [pod("a", "1"), pod("b", "9"), pod("c", "3", true)];
  assert.deepEqual(ledger.missing("shop", now), ["shop/b (2)", "shop/c (3)", "shop/d (4)"]);
  assert.deepEqual(ledger.missing("bank", []), []);
});

test("pods that a test deletes are not missing, one or all of a namespace", () => {
  const ledger = new PodLedger();
  ledger.see("shop", [pod("a", "1"), pod("b", "2")]);
  ledger.see("bank", [pod("a", "3"), pod("b", "4")]);
  ledger.expectGone("shop", "a");
  ledger.expectGone("bank");
  assert.deepEqual(ledger.missing("shop", []), ["shop/b (2)"]);
  assert.deepEqual(ledger.missing("bank", []), []);
});

test("a ledger that was cleared knows nothing", () => {
  const ledger = new PodLedger();
  ledger.see("shop", [pod("a", "1")]);
  assert.deepEqual(ledger.namespaces, ["shop"]);
  ledger.clear();
  assert.deepEqual(ledger.namespaces, []);
  assert.deepEqual(ledger.missing("shop", []), []);
});
