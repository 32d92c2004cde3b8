import assert from "node:assert/strict";
import { test } from "node:test";

import { isKubeObject, isLease, isWatchEvent, parseList } from "./guards.ts";
import {
  apiVersionOf,
  collectionPath,
  keyOf,
  LEASES,
  NODES,
  objectPath,
  parseKey,
  PODS,
  SALVAGE_RECORDS,
} from "./resources.ts";

test("paths are those of the API server", () => {
  assert.equal(collectionPath(PODS), "/api/v1/pods");
  assert.equal(collectionPath(PODS, "shop"), "/api/v1/namespaces/shop/pods");
  assert.equal(
    objectPath(PODS, { namespace: "shop", name: "web" }, "status"),
    "/api/v1/namespaces/shop/pods/web/status",
  );
  assert.equal(objectPath(NODES, { name: "a" }), "/api/v1/nodes/a");
  assert.equal(
    objectPath(LEASES, { namespace: "tote", name: "tote-controller" }),
    "/apis/coordination.k8s.io/v1/namespaces/tote/leases/tote-controller",
  );
  assert.equal(collectionPath(SALVAGE_RECORDS), "/apis/tote.dev/v1alpha1/salvagerecords");
  assert.equal(apiVersionOf(PODS), "v1");
  assert.equal(apiVersionOf(SALVAGE_RECORDS), "tote.dev/v1alpha1");
});

test("a name never leads to another path", () => {
  for (const name of ["", ".", "..", "a/b", "a%2fb", "web?x=1", "web#x"]) {
    assert.throws(() => objectPath(PODS, { namespace: "shop", name }), RangeError, name);
    assert.throws(() => collectionPath(PODS, name), RangeError, name);
  }
  assert.equal(objectPath(NODES, { name: "ä b" }), "/api/v1/nodes/%C3%A4%20b");
});

test("a namespace is where it must be and nowhere else", () => {
  assert.throws(() => objectPath(PODS, { name: "web" }), /pods need a namespace, got none for "web"/);
  assert.throws(() => objectPath(NODES, { namespace: "shop", name: "a" }), /nodes have no namespace/);
});

test("keys can be taken apart again", () => {
  for (const key of [{ name: "a" }, { namespace: "shop", name: "web" }]) {
    assert.deepEqual(parseKey(keyOf(key)), key);
  }
});

test("objects, leases, lists and events are told from anything else", () => {
  assert.ok(isKubeObject({ metadata: { name: "a" } }));
  for (const value of [null, 1, "x", [], {}, { metadata: {} }, { metadata: { name: 1 } }]) {
    assert.ok(!isKubeObject(value), JSON.stringify(value));
  }
  assert.ok(isLease({ metadata: { name: "a" } }));
  assert.ok(isLease({ metadata: { name: "a" }, spec: { leaseTransitions: 1, holderIdentity: "x" } }));
  assert.ok(!isLease({ metadata: { name: "a" }, spec: { leaseTransitions: "1" } }));
  assert.ok(!isLease({ metadata: { name: "a" }, spec: { renewTime: 5 } }));
  const metadata = { resourceVersion: "1", continue: "" };
  assert.deepEqual(parseList(isKubeObject, { metadata, items: null }), {
    metadata: { resourceVersion: "1" },
    items: [],
  });
  assert.equal(parseList(isKubeObject, { metadata, items: [{}] }), undefined);
  assert.equal(parseList(isKubeObject, { metadata: {}, items: [] }), undefined);
  assert.ok(isWatchEvent({ type: "ERROR", object: {} }));
  assert.ok(isWatchEvent({ type: "BOOKMARK", object: { metadata: {} } }));
  assert.ok(!isWatchEvent({ type: "ADDED", object: {} }));
  assert.ok(!isWatchEvent({ type: "GROWN", object: { metadata: { name: "a" } } }));
});
