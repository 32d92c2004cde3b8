import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "./store.ts";

interface Pod {
  readonly node: string;
  readonly images: readonly string[];
}

function podStore(): Store<Pod, "node" | "image"> {
  return new Store({
    node: (pod: Pod) => (pod.node === "" ? [] : [pod.node]),
    image: (pod: Pod) => pod.images,
  });
}

test("an object is found by key and by every value of its indexers", () => {
  const store = podStore();
  store.set("shop/web", { node: "a", images: ["x", "y"] });
  store.set("shop/db", { node: "a", images: ["y"] });
  assert.equal(store.size, 2);
  assert.equal(store.get("shop/web")?.node, "a");
  assert.deepEqual([...store.findKeys("node", "a")].sort(), ["shop/db", "shop/web"]);
  assert.deepEqual(store.findKeys("image", "x"), ["shop/web"]);
  assert.equal(store.count("image", "y"), 2);
  assert.deepEqual(store.find("image", "x"), [{ node: "a", images: ["x", "y"] }]);
  assert.deepEqual([...store.indexValues("image")].sort(), ["x", "y"]);
});

test("an object that changed is no longer found by its old values", () => {
  const store = podStore();
  store.set("shop/web", { node: "a", images: ["x", "y"] });
  assert.deepEqual(store.set("shop/web", { node: "b", images: ["y", "z"] }), {
    node: "a",
    images: ["x", "y"],
  });
  assert.deepEqual(store.findKeys("node", "a"), []);
  assert.deepEqual(store.findKeys("node", "b"), ["shop/web"]);
  assert.deepEqual([...store.indexValues("image")].sort(), ["y", "z"]);
});

test("an object that is gone is found nowhere, and its values with it", () => {
  const store = podStore();
  store.set("shop/web", { node: "a", images: ["x"] });
  store.set("shop/db", { node: "a", images: ["x"] });
  store.set("shop/job", { node: "a", images: ["x"] });
  assert.equal(store.delete("shop/db")?.node, "a");
  assert.equal(store.delete("shop/db"), undefined);
  assert.equal(store.count("node", "a"), 2);
  store.delete("shop/web");
  store.delete("shop/job");
  assert.equal(store.size, 0);
  assert.deepEqual([...store.indexValues("node"), ...store.indexValues("image")], []);
});

test("an object without value for an index is in no line of it", () => {
  const store = podStore();
  store.set("shop/web", { node: "", images: [] });
  assert.deepEqual([...store.indexValues("node")], []);
  store.set("shop/web", { node: "a", images: ["x", "x"] });
  assert.equal(store.count("image", "x"), 1);
});
