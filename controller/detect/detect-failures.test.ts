import assert from "node:assert/strict";
import { test } from "node:test";

import { FAILURES_PER_POD_MAX } from "../limits.ts";
import { KUBELET_TEXTS } from "../testing/kubelet-texts.ts";
import { pod, type PodOptions } from "../testing/pods.ts";
import { detectFailures, hasImage } from "./detect-failures.ts";

const IMAGE = "registry.test:5000/app:v1";
const FAILING = { waiting: { reason: "ErrImagePull", message: "dial tcp: connection refused" } };

for (const { name, reason, message, cause, problem } of KUBELET_TEXTS) {
  test(`${reason} of "${name}" is found: ${problem}, ${cause}`, () => {
    const failures = detectFailures(pod({ containers: [{ waiting: { reason, message } }] }));
    assert.deepEqual(failures, [
      {
        container: "app",
        containerKind: "main",
        image: IMAGE,
        isVolume: false,
        pullPolicy: "IfNotPresent",
        reason,
        problem,
        cause,
        message,
      },
    ]);
  });
}

for (const kind of ["init", "main", "ephemeral"] as const) {
  test(`a failing ${kind} container is found among others`, () => {
    const failures = detectFailures(
      pod({
        containers: [
          { name: "fine", isRunning: true },
          { name: "bad", kind, ...FAILING },
        ],
      }),
    );
    assert.deepEqual(
      failures.map((failure) => [failure.container, failure.containerKind]),
      [["bad", kind]],
    );
  });
}

const REASONS: readonly (readonly [string, string, string | undefined])[] = [
  ["ImagePullBackOff", 'Back-off pulling image "registry.test:5000/app:v1"', "missing"],
  [
    "ErrImageNeverPull",
    'Container image "registry.test:5000/app:v1" is not present with pull policy of Never',
    "missing",
  ],
  [
    "RegistryUnavailable",
    "image pull failed for registry.test:5000/app:v1 because the registry is unavailable.",
    "missing",
  ],
  [
    "SignatureValidationFailed",
    "image pull failed for registry.test:5000/app:v1 because the signature validation failed: Source image rejected",
    "unusable",
  ],
  [
    "ImageInspectError",
    'Failed to inspect image "registry.test:5000/app:v1": rpc error: code = Unknown',
    "unusable",
  ],
  [
    "CreateContainerError",
    "failed to create containerd container: error unpacking image: failed to extract layer sha256:aa: failed to get reader from content store: blob sha256:bb expected at /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/bb: blob not found: not found",
    "corrupt",
  ],
  [
    "CreateContainerError",
    'failed to get image from containerd "sha256:cc": image "sha256:cc": not found',
    "corrupt",
  ],
  ["CreateContainerError", "failed to reserve container name app: name is reserved", undefined],
  ["CreateContainerError", 'failed to generate container "x" spec: path "/a" not found', undefined],
  ["CreateContainerConfigError", 'secret "db" not found', undefined],
  ["CrashLoopBackOff", "back-off 10s restarting failed container", undefined],
  ["RunContainerError", "exec: no such file", undefined],
  ["ContainerCreating", "", undefined],
  ["PodInitializing", "", undefined],
];

for (const [reason, message, problem] of REASONS) {
  test(`${reason} (${message.slice(0, 60)}) is ${problem ?? "no failure of an image"}`, () => {
    const failures = detectFailures(pod({ containers: [{ waiting: { reason, message } }] }));
    assert.deepEqual(
      failures.map((failure) => failure.problem),
      problem === undefined ? [] : [problem],
    );
  });
}

test("a back-off message without the error has no cause of its own, one with it has", () => {
  const bare = `Back-off pulling image "${IMAGE}"`;
  const full = `${bare}: ErrImagePull: rpc error: code = NotFound desc = ${IMAGE}: not found`;
  const causes = [bare, full].flatMap((message) =>
    detectFailures(pod({ containers: [{ waiting: { reason: "ImagePullBackOff", message } }] })).map(
      (failure) => failure.cause,
    ),
  );
  assert.deepEqual(causes, [undefined, "not_found"]);
});

const SILENT: readonly (readonly [string, PodOptions])[] = [
  ["deleted", { isDeleting: true }],
  ["finished", { phase: "Succeeded" }],
  ["failed", { phase: "Failed" }],
  ["not scheduled", { node: "" }],
];

for (const [what, options] of SILENT) {
  test(`a pod that is ${what} has no failures`, () => {
    assert.deepEqual(detectFailures(pod({ ...options, containers: [FAILING] })), []);
  });
}

test("the failure of an image volume is known by the name in the message", () => {
  const volumes = [{ name: "m", image: { reference: "models/llm:v2", pullPolicy: "Always" } }];
  const messages = [
    'Back-off pulling image "models/llm:v2": ErrImagePull: dial tcp: connection refused',
    'failed to pull and unpack image "docker.io/models/llm:v2": dial tcp: connection refused',
    'failed to pull and unpack image "registry.test:5000/app:v1": dial tcp: connection refused',
    "dial tcp: connection refused",
  ];
  const images = messages.flatMap((message) =>
    detectFailures(pod({ volumes, containers: [{ waiting: { reason: "ImagePullBackOff", message } }] })).map(
      ({ image, isVolume, pullPolicy }) => [image, isVolume, pullPolicy],
    ),
  );
  assert.deepEqual(images, [
    ["models/llm:v2", true, "Always"],
    ["models/llm:v2", true, "Always"],
    [IMAGE, false, "IfNotPresent"],
    [IMAGE, false, "IfNotPresent"],
  ]);
});

test("a pod with hundreds of failing containers yields a bounded number of failures", () => {
  const containers = Array.from({ length: 250 }, (_, index) => ({ name: `c${index}`, ...FAILING }));
  assert.equal(detectFailures(pod({ containers })).length, FAILURES_PER_POD_MAX);
});

test("hostile names and messages do no harm", () => {
  const texts = [
    "\0",
    "\u202e\ud800",
    '"'.repeat(5000),
    'image "'.repeat(2000),
    "__proto__",
    "[".repeat(4000),
  ];
  for (const text of texts) {
    const failures = detectFailures(
      pod({
        volumes: [{ image: { reference: text } }],
        containers: [{ name: text, image: text, waiting: { reason: "ErrImagePull", message: text } }],
      }),
    );
    assert.equal(failures.length, 1);
  }
});

test("a container has its image once it runs, has run, or waits for something else", () => {
  const has = (options: object): boolean =>
    pod({ containers: [options] }).containers.every((container) => hasImage(container));
  assert.ok(has({ isRunning: true }));
  assert.ok(has({ isTerminated: true }));
  assert.ok(has({ waiting: { reason: "CrashLoopBackOff" } }));
  assert.ok(has({ waiting: { reason: "CreateContainerError", message: "no such device" } }));
  assert.ok(!has({ waiting: { reason: "ContainerCreating" } }));
  assert.ok(!has({ waiting: { reason: "PodInitializing" } }));
  assert.ok(!has(FAILING));
});
