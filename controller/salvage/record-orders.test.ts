import assert from "node:assert/strict";
import { test } from "node:test";

import { DIGEST } from "../testing/records.ts";
import { reconcilerRig as setUp } from "../testing/reconciler-rig.ts";

const IMAGE = "registry.test:5000/app:v1";
const ORDER_SPEC = { imageRef: IMAGE, targetNode: "node-b" };

test("an order gets its image without a pod", async (t) => {
  const { order, follow, driver, questions } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  await follow(order(ORDER_SPEC));
  assert.deepEqual(driver.imports[0]?.task.names, [IMAGE]);
});

test("an order has no more rights than its namespace", async (t) => {
  const { order, follow, driver, questions, namespaces } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  namespaces.delete("shop");
  const { phase, reason } = await follow(order(ORDER_SPEC));
  assert.deepEqual([phase, reason], ["Refused", "NamespaceNotOptedIn"]);
  assert.deepEqual(driver.imports, []);
});

test("an order of another digest than its tag means is refused", async (t) => {
  const { order, follow, questions, driver } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  const foreign = `sha256:${"f".repeat(64)}`;
  const { phase } = await follow(order({ ...ORDER_SPEC, digest: foreign }));
  assert.equal(phase, "Refused");
  assert.deepEqual(driver.imports, []);
});

test("an order of a digest alone gets the name that a pod of its namespace has for it", async (t) => {
  const { order, show, follow, driver, questions } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  const name = `registry.test:5000/app@${DIGEST}`;
  show({ name: "web-1", node: "node-a", containers: [{ isRunning: true, imageId: name }] });
  const { phase, origin } = await follow(order({ digest: DIGEST, targetNode: "node-b" }));
  assert.equal(phase, "Transferring");
  assert.deepEqual(driver.imports[0]?.task.names, [name]);
  assert.equal(origin?.image, name);
});

test("an order of a digest that no pod of its namespace has is refused, and told what to write", async (t) => {
  const { order, follow, driver, questions } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  const { phase, reason, message, origin } = await follow(order({ digest: DIGEST, targetNode: "node-b" }));
  assert.deepEqual([phase, reason], ["Refused", "OrderInvalid"]);
  assert.equal(message, `no pod of namespace shop has ${DIGEST}: write imageRef: repository@${DIGEST}`);
  assert.equal(origin?.image, DIGEST);
  assert.deepEqual(driver.imports, []);
});
