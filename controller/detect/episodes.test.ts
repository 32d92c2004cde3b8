import assert from "node:assert/strict";
import { test } from "node:test";

import { pod, type ContainerOptions, type PodOptions } from "../testing/pods.ts";
import { EpisodeTracker, type EpisodeChanges } from "./episodes.ts";
import { NO_SIGNS } from "./silent-failures.ts";

const PULL = { waiting: { reason: "ErrImagePull", message: "401 Unauthorized" } };
const BACK_OFF = {
  waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "registry.test:5000/app:v1"' },
};

function look(
  tracker: EpisodeTracker,
  now: number,
  container: ContainerOptions,
  options: PodOptions = {},
): { readonly started: number; readonly ongoing: number; readonly ended: number } {
  return counts(tracker.observe(pod({ ...options, containers: [container] }), now));
}

function counts(changes: EpisodeChanges): {
  readonly started: number;
  readonly ongoing: number;
  readonly ended: number;
} {
  return {
    started: changes.started.length,
    ongoing: changes.ongoing.length,
    ended: changes.ended.length,
  };
}

test("a failure is counted once, however often the kubelet retries", () => {
  const tracker = new EpisodeTracker();
  assert.deepEqual(look(tracker, 1, PULL), { started: 1, ongoing: 0, ended: 0 });
  const retries = [
    BACK_OFF,
    PULL,
    { waiting: { reason: "ContainerCreating" } },
    {},
    BACK_OFF,
    { waiting: { reason: "PodInitializing" } },
    PULL,
  ];
  for (const container of retries) {
    assert.deepEqual(look(tracker, 2, container), { started: 0, ongoing: 1, ended: 0 });
  }
  assert.equal(tracker.all()[0]?.startedAt, 1);
});

test("the last known cause is kept when a later message has none", () => {
  const tracker = new EpisodeTracker();
  look(tracker, 1, PULL);
  look(tracker, 2, BACK_OFF);
  assert.equal(tracker.all()[0]?.cause, "unauthorized");
  look(tracker, 3, { waiting: { reason: "ErrImagePull", message: "dial tcp: connection refused" } });
  assert.equal(tracker.all()[0]?.cause, "unreachable");
});

test("a cause that only an Event tells is taken, of that container and image, and no other", () => {
  const cause = "unauthorized" as const;
  const first = (container: string, image: string): string | undefined => {
    const tracker = new EpisodeTracker();
    const signs = { ...NO_SIGNS, causes: new Map([[container, { image, cause }]]) };
    tracker.observe(pod({ containers: [BACK_OFF] }), 1, signs);
    return tracker.all()[0]?.cause;
  };
  assert.equal(first("app", "registry.test:5000/app:v1"), "unauthorized");
  assert.equal(first("app", "registry.test:5000/app:v0"), "unknown");
  assert.equal(first("sidecar", "registry.test:5000/app:v1"), "unknown");
});

test("a cause that the status tells goes before that of an Event", () => {
  const tracker = new EpisodeTracker();
  const told = { image: "registry.test:5000/app:v1", cause: "timeout" as const };
  const signs = { ...NO_SIGNS, causes: new Map([["app", told]]) };
  tracker.observe(pod({ containers: [PULL] }), 1, signs);
  tracker.observe(pod({ containers: [BACK_OFF] }), 2, signs);
  assert.equal(tracker.all()[0]?.cause, "unauthorized");
});

test("a cause that nobody has told is unknown", () => {
  const tracker = new EpisodeTracker();
  look(tracker, 1, BACK_OFF);
  assert.equal(tracker.all()[0]?.cause, "unknown");
});

for (const [what, container] of [
  ["runs", { isRunning: true }],
  ["has run", { isTerminated: true }],
  ["crashes", { waiting: { reason: "CrashLoopBackOff" } }],
] as const) {
  test(`an episode ends when the container ${what}, and the next failure is a new one`, () => {
    const tracker = new EpisodeTracker();
    look(tracker, 1, PULL);
    assert.deepEqual(look(tracker, 2, container), { started: 0, ongoing: 0, ended: 1 });
    assert.deepEqual(look(tracker, 3, container), { started: 0, ongoing: 0, ended: 0 });
    assert.deepEqual(look(tracker, 4, PULL), { started: 1, ongoing: 0, ended: 0 });
  });
}

test("an episode ends with its pod", () => {
  const tracker = new EpisodeTracker();
  look(tracker, 1, PULL);
  assert.deepEqual(look(tracker, 2, PULL, { isDeleting: true }), { started: 0, ongoing: 0, ended: 1 });
  look(tracker, 3, PULL);
  assert.equal(tracker.forget("uid-web-1").length, 1);
  assert.equal(tracker.forget("uid-web-1").length, 0);
  assert.deepEqual(tracker.all(), []);
});

test("another image in place begins another episode", () => {
  const tracker = new EpisodeTracker();
  look(tracker, 1, PULL);
  const changes = look(tracker, 2, { ...PULL, image: "registry.test:5000/app:v2" });
  assert.deepEqual(changes, { started: 1, ongoing: 0, ended: 1 });
  const pending = { image: "registry.test:5000/app:v3", waiting: { reason: "ContainerCreating" } };
  assert.deepEqual(look(tracker, 3, pending), { started: 0, ongoing: 0, ended: 1 });
});

test("containers and pods of the same name do not share episodes", () => {
  const tracker = new EpisodeTracker();
  const two = pod({
    containers: [
      { name: "a", ...PULL },
      { name: "b", ...PULL },
    ],
  });
  assert.deepEqual(counts(tracker.observe(two, 1)), { started: 2, ongoing: 0, ended: 0 });
  assert.deepEqual(look(tracker, 2, PULL, { uid: "again" }), { started: 1, ongoing: 0, ended: 0 });
  const one = pod({
    containers: [
      { name: "a", isRunning: true },
      { name: "b", ...PULL },
    ],
  });
  assert.deepEqual(counts(tracker.observe(one, 3)), { started: 0, ongoing: 1, ended: 1 });
});

test("healthy pods leave no trace", () => {
  const tracker = new EpisodeTracker();
  for (let index = 0; index < 1000; index += 1) look(tracker, 1, { isRunning: true }, { uid: `u${index}` });
  assert.deepEqual(tracker.all(), []);
});
