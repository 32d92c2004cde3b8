import assert from "node:assert/strict";
import { test } from "node:test";

import { NODE_IMAGE_NAMES_MAX, NODE_IMAGES_MAX } from "../limits.ts";
import { ownerPath, stripOwner } from "./owner.ts";
import { stripAgentPod, stripNamespace, stripNode } from "./strip-cluster.ts";

const NODE = {
  metadata: {
    name: "node-a",
    uid: "n1",
    resourceVersion: "3",
    labels: { "topology.kubernetes.io/zone": "z1" },
  },
  status: {
    conditions: [
      { type: "DiskPressure", status: "True" },
      { type: "Ready", status: "True" },
    ],
    nodeInfo: {
      operatingSystem: "linux",
      architecture: "arm64",
      containerRuntimeVersion: "containerd://1.7.24",
    },
    images: [{ names: ["a@sha256:1", "a:v1"], sizeBytes: 5 }],
  },
};

test("a node keeps readiness, zone, platform, runtime and image names", () => {
  assert.deepEqual(stripNode(NODE), {
    name: "node-a",
    uid: "n1",
    resourceVersion: "3",
    isReady: true,
    isDeleting: false,
    zone: "z1",
    os: "linux",
    architecture: "arm64",
    runtime: "containerd://1.7.24",
    images: [["a@sha256:1", "a:v1"]],
  });
});

for (const status of ["False", "Unknown"]) {
  test(`a node whose Ready is ${status} is not ready`, () => {
    const node = { ...NODE, status: { conditions: [{ type: "Ready", status }] } };
    assert.equal(stripNode(node).isReady, false);
  });
}

test("a node that is being deleted is not ready", () => {
  const node = { ...NODE, metadata: { ...NODE.metadata, deletionTimestamp: "2026-08-01T10:00:00Z" } };
  assert.equal(stripNode(node).isReady, false);
  assert.equal(stripNode(node).isDeleting, true);
});

test("a node with endless images keeps a bounded number of them", () => {
  const names = Array.from({ length: 100 }, (_, index) => `a:${index}`);
  const images = Array.from({ length: 2000 }, () => ({ names: ["x".repeat(10_000), ...names] }));
  const stripped = stripNode({ ...NODE, status: { images } });
  assert.equal(stripped.images.length, NODE_IMAGES_MAX);
  assert.ok(stripped.images.every((image) => image.length < NODE_IMAGE_NAMES_MAX));
});

test("a namespace keeps our annotations and whether it is going", () => {
  const raw = { metadata: { name: "shop", uid: "u", annotations: { "tote.dev/allow": "true", other: "x" } } };
  assert.deepEqual(stripNamespace(raw), {
    name: "shop",
    uid: "u",
    resourceVersion: "",
    isDeleting: false,
    annotations: { "tote.dev/allow": "true" },
  });
  assert.equal(stripNamespace({ ...raw, status: { phase: "Terminating" } }).isDeleting, true);
});

test("an agent pod is ready when it runs, is ready and stays", () => {
  const ready = {
    metadata: { name: "tote-agent-1", namespace: "tote", uid: "a1", resourceVersion: "5" },
    spec: { nodeName: "node-a" },
    status: { phase: "Running", podIP: "10.1.0.5", conditions: [{ type: "Ready", status: "True" }] },
  };
  assert.deepEqual(stripAgentPod(ready), {
    namespace: "tote",
    name: "tote-agent-1",
    uid: "a1",
    resourceVersion: "5",
    nodeName: "node-a",
    podIp: "10.1.0.5",
    isReady: true,
  });
  assert.equal(
    stripAgentPod({ ...ready, metadata: { deletionTimestamp: "2026-08-01T10:00:00Z" } }).isReady,
    false,
  );
  assert.equal(stripAgentPod({ ...ready, status: { phase: "Running" } }).isReady, false);
});

test("whatever comes instead of a node, namespace or agent, nothing is thrown", () => {
  for (const raw of [undefined, null, [], "x", { metadata: [], status: { images: {}, conditions: 1 } }]) {
    assert.equal(stripNode(raw).isReady, false);
    assert.deepEqual(stripNamespace(raw).annotations, {});
    assert.equal(stripAgentPod(raw).isReady, false);
  }
});

const PATHS: readonly (readonly [string, string, string | undefined])[] = [
  ["apps/v1", "ReplicaSet", "/apis/apps/v1/namespaces/shop/replicasets/web"],
  ["batch/v1", "CronJob", "/apis/batch/v1/namespaces/shop/cronjobs/web"],
  ["v1", "ReplicationController", "/api/v1/namespaces/shop/replicationcontrollers/web"],
  ["example.com/v1beta1", "Proxy", "/apis/example.com/v1beta1/namespaces/shop/proxies/web"],
  ["example.com/v1", "Ingress", "/apis/example.com/v1/namespaces/shop/ingresses/web"],
  ["example.com/v1", "Gateway", "/apis/example.com/v1/namespaces/shop/gateways/web"],
  ["../../v1", "ReplicaSet", undefined],
  ["apps/v1", "../secrets", undefined],
];

for (const [apiVersion, kind, path] of PATHS) {
  test(`the path of ${kind} in ${apiVersion} is ${path ?? "refused"}`, () => {
    assert.equal(ownerPath({ apiVersion, kind, name: "web", uid: "u" }, "shop"), path);
  });
}

test("an owner's name cannot lead elsewhere", () => {
  for (const name of ["../../secrets/x", "a/b", "", "A", "a?b"]) {
    assert.equal(ownerPath({ apiVersion: "apps/v1", kind: "Deployment", name, uid: "u" }, "shop"), undefined);
  }
});

test("an owner keeps its annotations and its own owner, and must be the one referred to", () => {
  const reference = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-1", uid: "r1" };
  const above = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "d1" };
  const raw = {
    metadata: {
      uid: "r1",
      annotations: { "tote.dev/auto-salvage": "true" },
      ownerReferences: [{ ...above, controller: true }],
    },
  };
  assert.deepEqual(stripOwner(reference, raw), {
    kind: "read",
    reference,
    annotations: { "tote.dev/auto-salvage": "true" },
    owner: above,
  });
  assert.equal(stripOwner(reference, { metadata: { ...raw.metadata, uid: "r2" } }).kind, "unreadable");
});
