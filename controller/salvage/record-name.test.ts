import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { digestOf } from "../testing/nodes.ts";
import { record, DIGEST } from "../testing/records.ts";
import { keyOfFailure, keyOfRecord, newRecord } from "./new-record.ts";
import { recordLabels, recordName } from "./record-name.ts";

const KEY = { namespace: "shop", content: digestOf("12"), targetNode: "node-b" };
const LEGAL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

function hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

test("a name is basename, 8 hex of the digest and 10 hex of the rest", () => {
  const rest = hex(`shop\n${KEY.content}\nnode-b\n1`).slice(0, 10);
  assert.equal(recordName(KEY, "registry.test:5000/team/app", 1), `app-12121212-${rest}`);
});

test("each part of the key and each episode has a name of its own, and it never changes", () => {
  const names = [
    recordName(KEY, "r/app", 1),
    recordName(KEY, "r/app", 2),
    recordName({ ...KEY, namespace: "other" }, "r/app", 1),
    recordName({ ...KEY, targetNode: "node-c" }, "r/app", 1),
    recordName({ ...KEY, content: digestOf("34") }, "r/app", 1),
  ];
  assert.equal(new Set(names).size, names.length);
  assert.equal(recordName({ ...KEY }, "r/app", 1), names[0]);
});

const REPOSITORIES: readonly (readonly [string, string])[] = [
  ["docker.io/library/nginx", "nginx"],
  ["registry.test:5000/a/my_app.v2", "my-app-v2"],
  ["registry.test/a__b--c", "a-b-c"],
  [`registry.test/${"long-".repeat(40)}`, "long-long-long-long-long-long"],
  ["registry.test/___", "image"],
  ["", "image"],
  ["registry.test/Ünïcode/日本", "image"],
  [`registry.test/${"x".repeat(300)}`, "x".repeat(30)],
];

for (const [repository, basename] of REPOSITORIES) {
  test(`the name for ${repository.slice(0, 40)} begins with ${basename} and is legal`, () => {
    const name = recordName(KEY, repository, 1);
    assert.ok(name.startsWith(`${basename}-12121212-`), name);
    assert.match(name, LEGAL);
    assert.ok(name.length <= 63);
  });
}

test("without a digest the normalised image stands in, and there is no label for it", () => {
  const key = keyOfFailure({ namespace: "shop", image: "nginx", digest: undefined, targetNode: "node-b" });
  assert.equal(key.content, "docker.io/library/nginx:latest");
  assert.ok(
    recordName(key, "docker.io/library/nginx", 1).startsWith(`nginx-${hex(key.content).slice(0, 8)}-`),
  );
  assert.deepEqual(recordLabels(key), {
    "tote.dev/node": hex("node-b").slice(0, 16),
    "app.kubernetes.io/managed-by": "tote",
  });
});

test("labels are 32 hex of the digest, 16 hex of the node, and who manages it", () => {
  assert.deepEqual(recordLabels(KEY), {
    "tote.dev/digest": "12".repeat(16),
    "tote.dev/node": hex("node-b").slice(0, 16),
    "app.kubernetes.io/managed-by": "tote",
  });
});

test("labels are legal for any node name", () => {
  for (const value of Object.values(recordLabels({ ...KEY, targetNode: "n".repeat(253) }))) {
    assert.match(value, /^[a-z0-9]{1,63}$/);
  }
});

test("an image name that is none is a key as it is", () => {
  const key = keyOfFailure({ namespace: "shop", image: "BAD::name…", digest: undefined, targetNode: "b" });
  assert.equal(key.content, "BAD::name…");
  assert.match(recordName(key, "BAD::name…", 1), LEGAL);
});

test("a new record has no status and everything in its spec", () => {
  const made = newRecord({
    key: KEY,
    repository: "registry.test/app",
    episode: 1,
    imageRef: "registry.test/app:v1",
    podName: "web-1",
  });
  assert.deepEqual(made, {
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: {
      name: recordName(KEY, "registry.test/app", 1),
      namespace: "shop",
      labels: recordLabels(KEY),
    },
    spec: { digest: KEY.content, imageRef: "registry.test/app:v1", podName: "web-1", targetNode: "node-b" },
  });
});

test("the key of a record is what the controller wrote, not what somebody edited since", () => {
  const edited = { digest: digestOf("f"), imageRef: "evil.test/x:v1", targetNode: "node-z" };
  const key = keyOfRecord(
    record({
      spec: edited,
      status: {
        digest: DIGEST,
        origin: {
          incident: "i",
          image: "registry.test:5000/app:v1",
          container: "app",
          pod: "web-1",
          podUid: "u",
          ownerKind: "Pod",
          ownerName: "web-1",
          targetNode: "node-b",
          cause: "unknown",
        },
      },
    }),
  );
  assert.deepEqual(key, { namespace: "shop", content: DIGEST, targetNode: "node-b" });
  assert.equal(keyOfRecord(record({ spec: edited })).targetNode, "node-z");
});
