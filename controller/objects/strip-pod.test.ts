import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CONTAINERS_MAX,
  IMAGE_MAX_CHARS,
  IMAGE_VOLUMES_MAX,
  MESSAGE_HEAD_CHARS,
  MESSAGE_TAIL_CHARS,
} from "../limits.ts";
import { rawPod } from "../testing/pods.ts";
import type { PodContainer } from "./pod.ts";
import { createStringPool, noPool } from "./string-pool.ts";
import { stripPod } from "./strip-pod.ts";

test("a pod keeps what detection needs and drops the rest", () => {
  const stripped = stripPod(
    rawPod({
      annotations: {
        "tote.dev/auto-salvage": "true",
        "kubectl.kubernetes.io/last-applied": "x".repeat(1000),
      },
      labels: { "controller-revision-hash": "web-5", app: "web" },
      owner: { kind: "StatefulSet", name: "web", uid: "o1" },
      containers: [
        { kind: "init", name: "init", isTerminated: true, imageId: "a@sha256:1" },
        { name: "app", waiting: { reason: "ErrImagePull", message: "no" } },
        { name: "side", waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s" } },
        { kind: "ephemeral", name: "debug", pullPolicy: "Always" },
      ],
    }),
  );
  assert.deepEqual(stripped, {
    namespace: "shop",
    name: "web-1",
    uid: "uid-web-1",
    resourceVersion: "7",
    createdAt: Date.UTC(2026, 7, 1, 10),
    isDeleting: false,
    nodeName: "node-b",
    phase: "Pending",
    annotations: { "tote.dev/auto-salvage": "true" },
    revision: "web-5",
    owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "o1" },
    containers: [
      {
        name: "init",
        kind: "init",
        image: "registry.test:5000/app:v1",
        pullPolicy: "IfNotPresent",
        state: "terminated",
        imageId: "a@sha256:1",
      },
      {
        name: "app",
        kind: "main",
        image: "registry.test:5000/app:v1",
        pullPolicy: "IfNotPresent",
        state: "waiting",
        imageId: "",
        waiting: { reason: "ErrImagePull", message: "no" },
      },
      {
        name: "side",
        kind: "main",
        image: "registry.test:5000/app:v1",
        pullPolicy: "IfNotPresent",
        state: "waiting",
        imageId: "",
        waiting: { reason: "CrashLoopBackOff", message: "" },
      },
      {
        name: "debug",
        kind: "ephemeral",
        image: "registry.test:5000/app:v1",
        pullPolicy: "Always",
        state: "waiting",
        imageId: "",
        waiting: { reason: "ContainerCreating", message: "" },
      },
    ],
    imageVolumes: [],
  });
});

test("the image of the status is kept, in shared memory, where it is another tag of the repository", () => {
  const shared: string[] = [];
  const pool = { ...noPool, share: (text: string) => (shared.push(text), text) };
  const imageId = "docker.io/library/app@sha256:1";
  function strip(statusImage: string, image = "app:v2", id = imageId): PodContainer | undefined {
    const raw = rawPod({ containers: [{ image, statusImage, imageId: id, isRunning: true }] });
    return stripPod(raw, pool).containers[0];
  }
  assert.equal(strip("docker.io/library/app:v1")?.otherTag, "docker.io/library/app:v1");
  assert.equal(strip("app:v1")?.otherTag, "docker.io/library/app:v1");
  assert.equal(shared.filter((text) => text === "docker.io/library/app:v1").length, 2);
  const nothing = [
    strip("docker.io/library/app:v2"),
    strip("docker.io/library/other:v1"),
    strip(`docker.io/library/app@sha256:${"a".repeat(64)}`),
    strip(`sha256:${"a".repeat(64)}`),
    strip("a".repeat(2 * IMAGE_MAX_CHARS)),
    strip("app:v1", `app@sha256:${"a".repeat(64)}`),
    strip("app:v1", "app:v2", ""),
  ];
  for (const container of nothing) assert.equal(container !== undefined && "otherTag" in container, false);
});

test("a container without status waits", () => {
  const raw = rawPod();
  raw["status"] = {};
  const [container] = stripPod(raw).containers;
  assert.equal(container?.state, "waiting");
  assert.equal(container?.waiting, undefined);
});

test("whatever comes instead of a pod, nothing is thrown", () => {
  const hostile: readonly unknown[] = [
    undefined,
    null,
    1,
    "pod",
    [],
    { metadata: 1, spec: [], status: "x" },
    { metadata: { ownerReferences: {}, annotations: [] }, spec: { containers: { length: 9 } } },
    { spec: { containers: [null, 1, { name: 5, image: {} }] }, status: { containerStatuses: "x" } },
    { metadata: { annotations: { "tote.dev/allow": 1 }, deletionTimestamp: null } },
  ];
  for (const raw of hostile) {
    const stripped = stripPod(raw);
    assert.equal(stripped.isDeleting, false);
    assert.equal(stripped.namespace, "");
    assert.deepEqual(stripped.annotations, {});
  }
});

test("huge fields are cut, and a huge image name does not become a legal one", () => {
  const long = "a".repeat(IMAGE_MAX_CHARS * 2);
  const message = `${"x".repeat(1_000_000)} 401 Unauthorized`;
  const stripped = stripPod(
    rawPod({
      annotations: { "tote.dev/priority": long },
      containers: [{ image: `registry.test/${long}`, waiting: { reason: "ErrImagePull", message } }],
      volumes: Array.from({ length: 1000 }, () => ({ image: { reference: long } })),
    }),
  );
  const [container] = stripped.containers;
  assert.equal(container?.image.length, IMAGE_MAX_CHARS);
  assert.ok(container?.image.endsWith("…"));
  assert.ok((container?.waiting?.message.length ?? 0) <= MESSAGE_HEAD_CHARS + MESSAGE_TAIL_CHARS + 3);
  assert.ok(container?.waiting?.message.endsWith("401 Unauthorized"));
  assert.equal(stripped.imageVolumes.length, IMAGE_VOLUMES_MAX);
  assert.ok((stripped.annotations["tote.dev/priority"]?.length ?? 0) <= 64);
});

test("of thousands of containers a bounded number is looked at", () => {
  const containers = Array.from({ length: 5000 }, (_, index) => ({ name: `c${index}` }));
  assert.equal(stripPod(rawPod({ containers })).containers.length, CONTAINERS_MAX);
});

test("an owner that does not control the pod is no owner", () => {
  const raw = rawPod();
  raw["metadata"] = { ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "b", uid: "u" }] };
  assert.equal(stripPod(raw).owner, undefined);
});

test("an image volume keeps its reference and policy", () => {
  const volumes = [
    { name: "v", emptyDir: {} },
    { name: "m", image: { reference: "registry.test:5000/model:v1", pullPolicy: "Never" } },
    { name: "empty", image: {} },
  ];
  assert.deepEqual(stripPod(rawPod({ volumes })).imageVolumes, [
    { reference: "registry.test:5000/model:v1", pullPolicy: "Never" },
  ]);
});

test("a full pool begins anew and goes on sharing", () => {
  const pool = createStringPool(2);
  for (const text of ["a", "b", "c", "a"]) assert.equal(pool.share(text), text);
  const long = "x".repeat(10_000);
  assert.equal(pool.share(long), long);
});
