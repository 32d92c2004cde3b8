import assert from "node:assert/strict";
import { test } from "node:test";

import { RECORD_MESSAGE_MAX_CHARS } from "../limits.ts";
import { pod, type ContainerOptions, type PodOptions } from "../testing/pods.ts";
import { detectFailures } from "./detect-failures.ts";
import { dispositionOf } from "./disposition.ts";

const REFUSED = { reason: "ErrImagePull", message: "dial tcp: connection refused" };
const MISSING = {
  reason: "CreateContainerError",
  message: `content digest sha256:${"a".repeat(64)}: not found`,
};

const TABLE: readonly (readonly [string, ContainerOptions, PodOptions, string])[] = [
  ["a pull that failed", { waiting: REFUSED }, {}, "salvage"],
  [
    "a pull that failed, policy Never",
    { waiting: { reason: "ErrImageNeverPull" }, pullPolicy: "Never" },
    {},
    "salvage",
  ],
  ["content that is missing", { waiting: MISSING }, {}, "repair"],
  ["policy Always", { waiting: REFUSED, pullPolicy: "Always" }, {}, "PullPolicyAlways"],
  ["an illegal name", { waiting: { reason: "InvalidImageName", message: "x" } }, {}, "InvalidImageName"],
  ["a name that only containerd would take", { waiting: REFUSED, image: "App:v1" }, {}, "InvalidImageName"],
  [
    "a name of endless length",
    { waiting: REFUSED, image: `r.test/${"a".repeat(5000)}` },
    {},
    "InvalidImageName",
  ],
  [
    "a refused signature",
    { waiting: { reason: "SignatureValidationFailed" } },
    {},
    "SignatureValidationFailed",
  ],
  ["a runtime in trouble", { waiting: { reason: "ImageInspectError" } }, {}, "ImageInspectError"],
  [
    "an image volume",
    { waiting: { reason: "ErrImagePull", message: 'failed to pull image "r.test/model:v1": EOF' } },
    { volumes: [{ image: { reference: "r.test/model:v1" } }] },
    "ImageVolume",
  ],
];

for (const [what, container, options, expected] of TABLE) {
  test(`${what}: ${expected}`, () => {
    const [failure] = detectFailures(pod({ ...options, containers: [container] }));
    assert.ok(failure !== undefined);
    const disposition = dispositionOf(failure);
    assert.equal(disposition.kind === "report" ? disposition.reason : disposition.kind, expected);
    if (disposition.kind === "report") assert.ok(disposition.message.length <= RECORD_MESSAGE_MAX_CHARS);
  });
}
