import assert from "node:assert/strict";
import { test } from "node:test";

import { stripNode } from "../../../controller/objects/strip-cluster.ts";
import { stripPod } from "../../../controller/objects/strip-pod.ts";
import { casePod, nodeObject, podObject } from "./cluster-objects.ts";
import {
  caseHolders,
  caseImage,
  caseNode,
  holdings,
  nodeAddress,
  nodeName,
  nodeOfAddress,
} from "./cluster-spec.ts";
import { BLACK_HOLES } from "./black-holes.ts";
import { largeCluster } from "./large-cluster.ts";

const SPEC = largeCluster(1);

test("each node's agent has a loopback address of its own", () => {
  const addresses = new Set<string>();
  for (let node = 0; node < SPEC.nodes; node += 1) {
    const address = nodeAddress(node);
    assert.equal(nodeOfAddress(address), node);
    addresses.add(address);
  }
  assert.equal(addresses.size, 5_000);
});

test("the image of a case is on three nodes, as their status says, and not on its own", () => {
  const held = holdings(SPEC);
  for (const index of [0, 99, SPEC.cases - 1]) {
    const holders = caseHolders(SPEC, index);
    assert.equal(new Set(holders).size, 3);
    assert.ok(!holders.includes(caseNode(SPEC, index)));
    for (const holder of holders) {
      const node = stripNode(nodeObject(SPEC, holder, held.get(holder) ?? []));
      assert.ok(node.isReady);
      assert.equal(node.images.length, SPEC.imagesPerNode);
      assert.ok(node.images.flat().includes(caseImage(index).tagged));
    }
  }
  assert.deepEqual(caseHolders(BLACK_HOLES, 0), []);
});

test("one pod in a hundred fails, and cases fail when they are told to", () => {
  const failing = Array.from({ length: 1_000 }, (_none, at) => stripPod(podObject(SPEC, at))).filter(
    ({ containers }) => containers[0]?.waiting !== undefined,
  );
  assert.equal(failing.length, 10);
  const pod = stripPod(casePod(SPEC, 3, "ErrImagePull"));
  assert.equal(pod.containers[0]?.waiting?.reason, "ErrImagePull");
  assert.equal(pod.nodeName, nodeName(caseNode(SPEC, 3)));
  assert.equal(stripPod(casePod(SPEC, 3, "running")).phase, "Running");
});
