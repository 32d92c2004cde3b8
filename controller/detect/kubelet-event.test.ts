import assert from "node:assert/strict";
import { test } from "node:test";

import { SANDBOX_TEXT } from "../testing/kubelet-texts.ts";
import { pulledImage, readKubeletEvent, sandboxFailure, stripKubeletEvent } from "./kubelet-event.ts";

const STARTED = Date.UTC(2026, 7, 1, 10);
const IMAGE = "registry.test:5000/app:v1";

function event(reason: string, note: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    metadata: { name: "web-1.17", namespace: "shop", resourceVersion: "9" },
    reason,
    note,
    regarding: {
      kind: "Pod",
      namespace: "shop",
      name: "web-1",
      uid: "u1",
      fieldPath: "spec.containers{app}",
    },
    eventTime: null,
    deprecatedLastTimestamp: "2026-08-01T10:00:00Z",
    ...more,
  };
}

test("an Event is kept with what matters of it", () => {
  assert.deepEqual(stripKubeletEvent(event("Pulling", `Pulling image "${IMAGE}"`)), {
    resourceVersion: "9",
    reason: "Pulling",
    message: `Pulling image "${IMAGE}"`,
    podKey: "shop/web-1",
    podUid: "u1",
    container: "app",
    time: STARTED,
  });
});

test("of a pull that has failed the image and the cause are kept, the message is not", () => {
  const note = `Failed to pull image "${IMAGE}": rpc error: code = Unknown desc = failed to authorize: 401 Unauthorized`;
  const { message, failed } = stripKubeletEvent(event("Failed", note)) ?? {};
  assert.equal(message, "");
  assert.deepEqual(failed, { image: IMAGE, cause: "unauthorized" });
  const silent = stripKubeletEvent(event("Failed", `Failed to pull image "${IMAGE}": it is so`));
  assert.equal(silent?.failed?.cause, "unknown");
});

test("the sandbox image's failure is read from an Event of either API", () => {
  const expected = { image: "tote.test/pause:1", cause: "unreachable", message: SANDBOX_TEXT };
  const core = { reason: "FailedCreatePodSandBox", message: SANDBOX_TEXT, involvedObject: { uid: "u1" } };
  const events = { reason: "FailedCreatePodSandBox", note: SANDBOX_TEXT, regarding: { uid: "u1" } };
  for (const raw of [core, events]) {
    assert.deepEqual(sandboxFailure(readKubeletEvent(raw)), expected);
    assert.equal(stripKubeletEvent(raw)?.podUid, "u1");
  }
});

test("the sandbox image's failure is read from containerd 2, too", () => {
  const note =
    'Failed to create pod sandbox: rpc error: code = Unavailable desc = failed to start sandbox "16c1": failed to get sandbox image "registry.test/pause:3.10": failed to pull image "registry.test/pause:3.10": dial tcp 10.0.0.1:443: i/o timeout';
  const failure = sandboxFailure(readKubeletEvent(event("FailedCreatePodSandBox", note)));
  assert.equal(failure?.image, "registry.test/pause:3.10");
  assert.equal(failure?.cause, "timeout");
});

const LEFT_OUT: readonly (readonly [string, unknown])[] = [
  [
    "a sandbox that fails for another reason",
    event("FailedCreatePodSandBox", "Failed to create pod sandbox: plugin type calico failed"),
  ],
  ["a volume", event("FailedMount", SANDBOX_TEXT)],
  ["an image that was there", event("Pulled", `Container image "${IMAGE}" already present on machine`)],
  ["the kubelet's second word", event("Failed", "Error: ErrImagePull")],
  ["a container that failed", event("Failed", "Error: failed to create containerd container")],
  ["a pull of nothing", event("Pulling", "Pulling")],
  ["no Event at all", undefined],
];

for (const [what, raw] of LEFT_OUT) {
  test(`${what} is left out`, () => {
    assert.equal(stripKubeletEvent(raw), undefined);
  });
}

test("the ends of pulls are kept without their words", () => {
  const pulled = event("Pulled", `Successfully pulled image "${IMAGE}" in 1.2s (1.2s including waiting)`);
  const failed = event("Failed", `Failed to pull image "${IMAGE}": rpc error: code = NotFound`);
  assert.equal(stripKubeletEvent(pulled)?.message, "");
  assert.equal(stripKubeletEvent(failed)?.message, "");
});

test("the newest time of an Event counts", () => {
  const series = { count: 3, lastObservedTime: "2026-08-01T10:05:00.000000Z" };
  assert.equal(readKubeletEvent(event("Pulling", "x", { series })).time, STARTED + 5 * 60_000);
});

test("an image of endless length is none", () => {
  const note = `Pulling image "${"a".repeat(2000)}"`;
  assert.equal(pulledImage(readKubeletEvent(event("Pulling", note))), undefined);
});
