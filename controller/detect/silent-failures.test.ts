import assert from "node:assert/strict";
import { test } from "node:test";

import { HANGING_PULL_AFTER_MS, SANDBOX_FAILURE_MAX_AGE_MS } from "../limits.ts";
import { kubeletEvent } from "../testing/kubelet-events.ts";
import { SANDBOX_TEXT } from "../testing/kubelet-texts.ts";
import { pod, type ContainerOptions } from "../testing/pods.ts";
import type { KubeletEvent } from "./kubelet-event.ts";
import { silentFailures } from "./silent-failures.ts";

const T0 = Date.UTC(2026, 7, 1, 10);
const LATE = T0 + HANGING_PULL_AFTER_MS;
const PULLING = kubeletEvent("Pulling", T0);
const SANDBOX = kubeletEvent("FailedCreatePodSandBox", T0, { message: SANDBOX_TEXT });

function seen(
  events: readonly KubeletEvent[],
  now: number,
  ...containers: readonly ContainerOptions[]
): readonly string[] {
  const { failures } = silentFailures(pod({ containers }), events, now);
  return failures.map(({ reason, container, image }) => `${reason} ${container} ${image}`);
}

test("a pull that has begun long ago and brought no word hangs", () => {
  const waiting = pod({ containers: [{ waiting: { reason: "ContainerCreating" } }] });
  const { failures } = silentFailures(waiting, [PULLING], LATE);
  assert.equal(failures.length, 1);
  assert.equal(failures[0]?.reason, "HangingPull");
  assert.equal(failures[0].image, "registry.test:5000/app:v1");
  assert.equal(failures[0].problem, "missing");
  assert.equal(failures[0].cause, "timeout");
  assert.match(failures[0].message, /2026-08-01T10:00:00.000Z.* delete pod web-1, or restart containerd/);
});

test("until then it is asked for another look", () => {
  const signs = silentFailures(pod({}), [PULLING], LATE - 7);
  assert.deepEqual(signs.failures, []);
  assert.equal(signs.againInMs, 7);
});

test("it may be that of an init container, whose main ones wait with another word", () => {
  const init = { name: "setup", kind: "init" as const, waiting: { reason: "PodInitializing" } };
  const pulling = { ...PULLING, container: "setup" };
  const main = { waiting: { reason: "PodInitializing" } };
  assert.deepEqual(seen([pulling], LATE, init, main), ["HangingPull setup registry.test:5000/app:v1"]);
});

test("it may be that of a volume, which no container is named for", () => {
  const volume = { reference: "registry.test:5000/data:v1", pullPolicy: "IfNotPresent" };
  const mounts = pod({ volumes: [{ name: "data", image: volume }] });
  const message = 'Pulling image "registry.test:5000/data:v1"';
  const { failures } = silentFailures(mounts, [{ ...PULLING, container: "", message }], LATE);
  assert.equal(failures[0]?.image, "registry.test:5000/data:v1");
  assert.equal(failures[0].isVolume, true);
});

for (const end of ["Pulled", "Failed"]) {
  test(`a pull that ended with ${end} does not hang`, () => {
    const events = [PULLING, kubeletEvent(end, T0)];
    assert.deepEqual(seen(events, LATE, {}), []);
    assert.ok(silentFailures(pod({}), events, LATE).ended.has("app"));
    // the next try may
    const again = [...events, kubeletEvent("Pulling", T0 + 10_000)];
    assert.equal(seen(again, LATE + 10_000, {}).length, 1);
  });
}

test("a pull has ended once the container runs or fails, or the pod is gone", () => {
  const containers: readonly ContainerOptions[] = [
    { isRunning: true },
    { waiting: { reason: "ErrImagePull", message: "no" } },
    { waiting: { reason: "CrashLoopBackOff" } },
    { name: "other" },
    { image: "registry.test:5000/app:v2" },
  ];
  for (const container of containers) assert.deepEqual(seen([PULLING], LATE, container), []);
  assert.deepEqual(silentFailures(pod({ isDeleting: true }), [PULLING], LATE).failures, []);
  assert.deepEqual(silentFailures(pod({ uid: "another" }), [PULLING], LATE).failures, []);
});

test("a sandbox whose image cannot be pulled is one failure of the pod", () => {
  assert.deepEqual(seen([SANDBOX], T0, {}, { name: "side" }), ["FailedCreatePodSandBox  tote.test/pause:1"]);
  assert.equal(silentFailures(pod({}), [SANDBOX], T0).failures[0]?.cause, "unreachable");
});

test("it is over once a container gets on, or nobody has said it again for long", () => {
  assert.deepEqual(seen([SANDBOX], T0, { isRunning: true }), []);
  assert.deepEqual(seen([SANDBOX, kubeletEvent("Pulling", T0 + 1000)], T0 + 2000, {}), []);
  assert.equal(seen([SANDBOX], T0 + SANDBOX_FAILURE_MAX_AGE_MS - 1, {}).length, 1);
  assert.deepEqual(seen([SANDBOX], T0 + SANDBOX_FAILURE_MAX_AGE_MS, {}), []);
});

test("why the last pull of a container failed is known, unless a later one went well", () => {
  const image = "registry.test:5000/app:v1";
  const failedAt = (time: number, cause: "unauthorized" | "unreachable"): KubeletEvent =>
    kubeletEvent("Failed", time, { failed: { image, cause } });
  const causes = (...events: readonly KubeletEvent[]) => [...silentFailures(pod({}), events, LATE).causes];
  assert.deepEqual(causes(failedAt(T0 + 5, "unauthorized"), failedAt(T0, "unreachable")), [
    ["app", { image, cause: "unauthorized" }],
  ]);
  assert.deepEqual(causes(failedAt(T0, "unauthorized"), kubeletEvent("Pulled", T0 + 5)), []);
});
