import assert from "node:assert/strict";
import { test } from "node:test";

import type { SalvageRecordSpec } from "../objects/salvage-record.ts";
import { digestOf } from "../testing/nodes.ts";
import { pod } from "../testing/pods.ts";
import { checkOrder, readOrder, type OrderReading } from "./order.ts";

const DIGEST = digestOf("a");
const OTHER = digestOf("b");
const OWN = pod({ containers: [{ isRunning: true, imageId: `registry.test/app@${DIGEST}` }] });
const FOREIGN = pod({
  namespace: "bank",
  containers: [{ isRunning: true, imageId: `registry.test/ledger@${OTHER}` }],
});

function read(spec: SalvageRecordSpec): OrderReading {
  return readOrder(spec, "shop", [OWN, FOREIGN]);
}

const GOOD: readonly (readonly [string, SalvageRecordSpec, string, string | undefined])[] = [
  ["a tag", { imageRef: "nginx:1.25", targetNode: "node-b" }, "nginx:1.25", undefined],
  ["a name with digest", { imageRef: `nginx@${DIGEST}`, targetNode: "node-b" }, `nginx@${DIGEST}`, undefined],
  [
    "a tag that must mean a digest",
    { imageRef: "nginx:1.25", digest: DIGEST, targetNode: "node-b" },
    "nginx:1.25",
    DIGEST,
  ],
  [
    "both, agreeing",
    { imageRef: `nginx@${DIGEST}`, digest: DIGEST, targetNode: "node-b" },
    `nginx@${DIGEST}`,
    DIGEST,
  ],
  [
    "a digest that a pod of the namespace has",
    { digest: DIGEST, targetNode: "node-b" },
    `registry.test/app@${DIGEST}`,
    DIGEST,
  ],
];

for (const [what, spec, imageRef, digest] of GOOD) {
  test(`an order of ${what} creates ${imageRef.slice(0, 30)} and nothing else`, () => {
    const reading = read(spec);
    assert.ok(reading.kind === "order", JSON.stringify(reading));
    assert.equal(reading.order.imageRef, imageRef);
    assert.equal(reading.order.digest, digest);
    assert.equal(reading.order.targetNode, "node-b");
  });
}

const BAD: readonly (readonly [string, SalvageRecordSpec, RegExp])[] = [
  ["nothing", { targetNode: "node-b" }, /OrderInvalid .*neither imageRef nor digest/],
  ["no node", { imageRef: "nginx" }, /OrderInvalid targetNode: is empty/],
  ["a node that is none", { imageRef: "nginx", targetNode: "../x" }, /OrderInvalid targetNode: "\.\.\/x"/],
  ["an illegal name", { imageRef: "UPPER:x:y", targetNode: "b" }, /OrderInvalid imageRef/],
  ["half a digest", { digest: "sha256:abc", targetNode: "b" }, /OrderInvalid digest: "sha256:abc"/],
  [
    "a digest that only another tenant has",
    { digest: OTHER, targetNode: "b" },
    /OrderInvalid no pod of namespace shop has .* repository@/,
  ],
  ["two digests", { imageRef: `nginx@${OTHER}`, digest: DIGEST, targetNode: "b" }, /OrderDigestMismatch/],
  ["an endless name", { imageRef: "a/".repeat(10_000), targetNode: "b" }, /OrderInvalid imageRef/],
];

for (const [what, spec, expected] of BAD) {
  test(`an order of ${what} is refused in words`, () => {
    const reading = read(spec);
    assert.ok(reading.kind === "refused");
    assert.match(`${reading.reason} ${reading.message}`, expected);
    assert.ok(reading.message.length < 600);
  });
}

test("a tag gets only the digest that it means", () => {
  const reading = read({ imageRef: "nginx:1.25", digest: DIGEST, targetNode: "node-b" });
  assert.ok(reading.kind === "order");
  const resolved = (digest: typeof DIGEST): OrderReading =>
    checkOrder(reading.order, { kind: "resolved", tier: "nodes", digest, from: ["node a"] });
  assert.equal(resolved(DIGEST).kind, "order");
  const refused = resolved(OTHER);
  assert.equal(refused.kind === "refused" ? refused.reason : "", "OrderDigestMismatch");
});

test("an order without digest takes what its name means", () => {
  const reading = read({ imageRef: "nginx:1.25", targetNode: "node-b" });
  assert.ok(reading.kind === "order");
  const resolution = { kind: "resolved", tier: "nodes", digest: OTHER, from: ["node a"] } as const;
  assert.equal(checkOrder(reading.order, resolution).kind, "order");
});
