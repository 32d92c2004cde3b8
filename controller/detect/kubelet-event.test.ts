import assert from "node:assert/strict";
import { test } from "node:test";

import { HANGING_PULL_AFTER_MS } from "../limits.ts";
import { SANDBOX_TEXT } from "../testing/kubelet-texts.ts";
import { pod } from "../testing/pods.ts";
import { detectHangingPull, detectSandboxFailure, readKubeletEvent } from "./kubelet-event.ts";

const STARTED = Date.UTC(2026, 7, 1, 10);

function pulling(overrides: Record<string, unknown> = {}): ReturnType<typeof readKubeletEvent> {
  return readKubeletEvent({
    reason: "Pulling",
    note: 'Pulling image "registry.test:5000/app:v1"',
    regarding: { kind: "Pod", uid: "uid-web-1", fieldPath: "spec.containers{app}" },
    eventTime: null,
    deprecatedLastTimestamp: "2026-08-01T10:00:00Z",
    ...overrides,
  });
}

test("the sandbox image's failure is read from an Event of either API", () => {
  const expected = { podUid: "u1", image: "tote.test/pause:1", cause: "unreachable", message: SANDBOX_TEXT };
  const core = { reason: "FailedCreatePodSandBox", message: SANDBOX_TEXT, involvedObject: { uid: "u1" } };
  const events = { reason: "FailedCreatePodSandBox", note: SANDBOX_TEXT, regarding: { uid: "u1" } };
  assert.deepEqual(detectSandboxFailure(readKubeletEvent(core)), expected);
  assert.deepEqual(detectSandboxFailure(readKubeletEvent(events)), expected);
});

test("the sandbox image's failure is read from containerd 2, too", () => {
  const note =
    'Failed to create pod sandbox: rpc error: code = Unavailable desc = failed to start sandbox "16c1": failed to get sandbox image "registry.test/pause:3.10": failed to pull image "registry.test/pause:3.10": dial tcp 10.0.0.1:443: i/o timeout';
  const failure = detectSandboxFailure(
    readKubeletEvent({ reason: "FailedCreatePodSandBox", note, regarding: {} }),
  );
  assert.equal(failure?.image, "registry.test/pause:3.10");
  assert.equal(failure?.cause, "timeout");
});

test("a sandbox that fails for another reason is none of ours", () => {
  const note = "Failed to create pod sandbox: plugin type calico failed";
  assert.equal(detectSandboxFailure(readKubeletEvent({ reason: "FailedCreatePodSandBox", note })), undefined);
  assert.equal(
    detectSandboxFailure(readKubeletEvent({ reason: "FailedMount", note: SANDBOX_TEXT })),
    undefined,
  );
  assert.equal(detectSandboxFailure(readKubeletEvent(undefined)), undefined);
});

test("a pull that has begun long ago and brought no word is a pull that hangs", () => {
  const waiting = pod({ containers: [{ waiting: { reason: "ContainerCreating" } }] });
  assert.deepEqual(detectHangingPull(pulling(), waiting, STARTED + HANGING_PULL_AFTER_MS), {
    container: "app",
    image: "registry.test:5000/app:v1",
    since: STARTED,
  });
  assert.equal(detectHangingPull(pulling(), waiting, STARTED + HANGING_PULL_AFTER_MS - 1), undefined);
});

test("a pull has ended once the container runs, fails or is gone", () => {
  const now = STARTED + HANGING_PULL_AFTER_MS;
  const containers = [
    { isRunning: true },
    { waiting: { reason: "ErrImagePull", message: "no" } },
    { waiting: { reason: "CrashLoopBackOff" } },
    { name: "other" },
  ];
  for (const container of containers) {
    assert.equal(detectHangingPull(pulling(), pod({ containers: [container] }), now), undefined);
  }
  assert.equal(detectHangingPull(pulling(), pod({ isDeleting: true }), now), undefined);
  assert.equal(detectHangingPull(pulling(), pod({ uid: "another" }), now), undefined);
});

test("the newest time of an Event counts", () => {
  const series = { count: 3, lastObservedTime: "2026-08-01T10:05:00.000000Z" };
  assert.equal(pulling({ series }).time, STARTED + 5 * 60_000);
});
