import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { parseReference } from "../../lib/reference.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { digestOf, node } from "../testing/nodes.ts";
import { pod, type ContainerOptions, type PodOptions } from "../testing/pods.ts";
import { namespaceEvidence, siblingEvidence } from "./evidence.ts";

const REPOSITORY = "registry.test:5000/app";
const OLD = `${REPOSITORY}:v1`;
const NEW = `${REPOSITORY}:v2`;
const DIGEST = digestOf("a");
const BY_DIGEST = `${REPOSITORY}@${DIGEST}`;
const OWNER = { kind: "ReplicaSet", name: "web-7", uid: "rs-7" };

/** A pod on node-a whose spec has the new tag, and whose status has another image. */
function edited(container: ContainerOptions, options: PodOptions = {}): StrippedPod {
  return pod({
    name: "edited",
    node: "node-a",
    phase: "Running",
    owner: OWNER,
    containers: [{ image: NEW, imageId: BY_DIGEST, isRunning: true, ...container }],
    ...options,
  });
}

/** Digests that siblings and pods of the namespace tell for the new tag; both must say the same. */
function told(witness: StrippedPod, nodes: readonly StrippedNode[] = [], name = NEW): readonly string[] {
  const witnesses = { pods: [witness], nodes };
  const reference = parseReference(name);
  const failing = pod({ name: "failing", owner: OWNER });
  const own = siblingEvidence(witnesses, failing, reference).map(({ digest }) => digest);
  assert.deepEqual(
    own,
    namespaceEvidence(witnesses, "shop", reference).map(({ digest }) => digest),
  );
  return own;
}

void suite("a container whose status has another image than its spec", () => {
  void test("is no witness while it still ends after an edit in place", () => {
    assert.deepEqual(told(edited({ statusImage: OLD })), []);
  });

  void test("is no witness for the tag from before either, which the spec does not have any more", () => {
    assert.deepEqual(told(edited({ statusImage: OLD }), [], OLD), []);
  });

  void test("is a witness where its node has both tags for the image that runs", () => {
    const holder = node("node-a", { images: [["other.test/x:1"], [BY_DIGEST, OLD, NEW]] });
    assert.deepEqual(told(edited({ statusImage: OLD }), [holder]), [DIGEST]);
  });

  void test("is none where its node has the tags for two images, or for another than the one that runs", () => {
    const lists = [
      [[BY_DIGEST, OLD], [NEW]],
      [[`${REPOSITORY}@${digestOf("b")}`, OLD, NEW], [BY_DIGEST]],
    ];
    for (const images of lists)
      assert.deepEqual(told(edited({ statusImage: OLD }), [node("node-a", { images })]), []);
  });

  void test("is none by what another node has", () => {
    const other = node("node-b", { images: [[BY_DIGEST, OLD, NEW]] });
    assert.deepEqual(told(edited({ statusImage: OLD }), [other]), []);
  });

  void test("is a witness when the status has no tag of the repository, or the same in other words", () => {
    for (const statusImage of ["", DIGEST, BY_DIGEST, "mirror.test/app:v1", "no image", NEW])
      assert.deepEqual(told(edited({ statusImage })), [DIGEST], statusImage);
    const imageId = `docker.io/library/nginx@${DIGEST}`;
    const short = edited({ image: "nginx", imageId, statusImage: "docker.io/library/nginx:latest" });
    assert.deepEqual(told(short, [], "nginx"), [DIGEST]);
  });
});

void test("a finished pod whose status has another tag is no witness", () => {
  const witnesses = {
    pods: [edited({ isRunning: false, isTerminated: true, statusImage: OLD }, { phase: "Failed" })],
    nodes: [],
  };
  assert.deepEqual(namespaceEvidence(witnesses, "shop", parseReference(NEW)), []);
});
