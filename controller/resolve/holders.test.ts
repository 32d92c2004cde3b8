import assert from "node:assert/strict";
import { test } from "node:test";

import { digestOf, node } from "../testing/nodes.ts";
import { pod } from "../testing/pods.ts";
import { findHolders, holderFromAgent, mergeHolders } from "./holders.ts";

const D = digestOf("a");
const OTHER = digestOf("b");

test("nodes that list the digest and nodes where a pod runs it have it", () => {
  const nodes = [
    node("b", { images: [[`registry.test/app@${D}`, "registry.test/app:v1"], [`x.test/y@${OTHER}`]] }),
    node("c", { images: [[`registry.test/app@${OTHER}`, "registry.test/app:v1"]] }),
  ];
  const pods = [
    pod({ namespace: "any", node: "a", containers: [{ isRunning: true, imageId: `mirror.test/app@${D}` }] }),
    pod({ node: "b", containers: [{ isRunning: true, imageId: `mirror.test/app@${D}` }] }),
    pod({ node: "d", containers: [{ isTerminated: true, imageId: `mirror.test/app@${D}` }] }),
    pod({ node: "e", containers: [{ isRunning: true, imageId: D }] }),
  ];
  assert.deepEqual(findHolders(D, nodes, pods), [
    { node: "a", repositories: ["mirror.test/app"] },
    { node: "b", repositories: ["mirror.test/app", "registry.test/app"] },
  ]);
});

test("an agent's names count by repository, whatever their form", () => {
  const names = [
    "registry.test:5000/app:v1",
    `registry.test:5000/app@${D}`,
    "nginx",
    OTHER,
    "import-2026@bad",
    "UPPER:v1",
  ];
  assert.deepEqual(holderFromAgent("a", names, D), {
    node: "a",
    repositories: ["docker.io/library/nginx", "registry.test:5000/app"],
  });
});

test("holders from several sources become one list", () => {
  assert.deepEqual(
    mergeHolders(
      [{ node: "b", repositories: ["x"] }],
      [
        { node: "a", repositories: [] },
        { node: "b", repositories: ["w"] },
      ],
    ),
    [
      { node: "a", repositories: [] },
      { node: "b", repositories: ["w", "x"] },
    ],
  );
});

test("five thousand nodes with fifty images each are searched quickly", () => {
  const images = Array.from({ length: 50 }, (_, index) => [
    `registry.test/app-${index}@${digestOf(String(index % 10))}`,
    `registry.test/app-${index}:v1`,
  ]);
  const nodes = Array.from({ length: 5000 }, (_, index) => node(`n${index}`, { images }));
  const started = performance.now();
  assert.deepEqual(findHolders(D, nodes, []), []);
  assert.ok(performance.now() - started < 2000);
});
