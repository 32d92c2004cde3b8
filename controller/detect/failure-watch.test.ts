import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { subjectKey } from "../cluster-view.ts";
import { Store } from "../kube/store.ts";
import { HANGING_PULL_AFTER_MS, SANDBOX_FAILURE_MAX_AGE_MS } from "../limits.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { kubeletEvent } from "../testing/kubelet-events.ts";
import { SANDBOX_TEXT } from "../testing/kubelet-texts.ts";
import { pod, type PodOptions } from "../testing/pods.ts";
import { FailureWatch } from "./failure-watch.ts";
import type { KubeletEvent } from "./kubelet-event.ts";

const SUBJECT = subjectKey("shop", "registry.test:5000/app:v1", "node-b");
const PAUSE = subjectKey("shop", "tote.test/pause:1", "node-b");

interface Watched {
  readonly watch: FailureWatch;
  readonly clock: ManualClock;
  readonly pods: Store<StrippedPod, "namespace" | "node" | "image" | "digest">;
  readonly events: KubeletEvent[];
  /** Says something about the pod, or changes it. */
  readonly tell: (now: StrippedPod | KubeletEvent) => void;
  readonly reasons: (subject: string) => readonly string[];
}

function watched(): Watched {
  const none = (): readonly string[] => [];
  const pods = new Store<StrippedPod, "namespace" | "node" | "image" | "digest">({
    namespace: none,
    node: none,
    image: none,
    digest: none,
  });
  const clock = createManualClock();
  const events: KubeletEvent[] = [];
  const watch = new FailureWatch({ pods, clock, events: () => events });
  return {
    watch,
    clock,
    pods,
    events,
    tell: (now) => {
      if ("reason" in now) events.push(now);
      else pods.set("shop/web-1", now);
      watch.podChanged("shop/web-1");
    },
    reasons: (subject) => watch.failing(subject).map(({ episode }) => episode.failure.reason),
  };
}

test("a pull that hangs is noticed when its time has come, though nothing changes", async () => {
  const { watch, clock, tell, reasons } = watched();
  const told: string[] = [];
  watch.onChange((subject) => told.push(subject));
  tell(pod({}));
  tell(kubeletEvent("Pulling", clock.now()));
  await clock.advance(HANGING_PULL_AFTER_MS - 1);
  assert.deepEqual(reasons(SUBJECT), []);
  await clock.advance(1);
  assert.deepEqual(reasons(SUBJECT), ["HangingPull"]);
  assert.deepEqual(told, [SUBJECT]);
  assert.ok(watch.hangs("uid-web-1"));
  watch.close();
});

test("it goes on when its Event is forgotten, and ends with the word that ends it", async () => {
  const { watch, clock, events, tell, reasons } = watched();
  tell(pod({}));
  tell(kubeletEvent("Pulling", clock.now()));
  await clock.advance(HANGING_PULL_AFTER_MS);
  events.length = 0;
  tell(pod({}));
  assert.deepEqual(reasons(SUBJECT), ["HangingPull"]);
  tell(kubeletEvent("Pulled", clock.now()));
  assert.deepEqual(reasons(SUBJECT), []);
  watch.close();
});

test("one that comes to an error in the end is the same episode", async () => {
  const { watch, clock, tell, reasons } = watched();
  tell(pod({}));
  tell(kubeletEvent("Pulling", clock.now()));
  await clock.advance(HANGING_PULL_AFTER_MS);
  const [before] = watch.failing(SUBJECT);
  tell(pod({ containers: [{ waiting: { reason: "ErrImagePull", message: "i/o timeout" } }] }));
  assert.deepEqual(reasons(SUBJECT), ["ErrImagePull"]);
  assert.equal(watch.failing(SUBJECT)[0]?.episode.startedAt, before?.episode.startedAt);
  assert.ok(!watch.hangs("uid-web-1"));
  watch.close();
});

test("a sandbox failure is over when it is not told again", async () => {
  const { watch, clock, tell, reasons } = watched();
  tell(pod({}));
  tell(kubeletEvent("FailedCreatePodSandBox", clock.now(), { message: SANDBOX_TEXT }));
  assert.deepEqual(reasons(PAUSE), ["FailedCreatePodSandBox"]);
  await clock.advance(SANDBOX_FAILURE_MAX_AGE_MS);
  assert.deepEqual(reasons(PAUSE), []);
  watch.close();
});

test("an Event may come before its pod", async () => {
  const { watch, clock, tell, reasons } = watched();
  tell(kubeletEvent("Pulling", clock.now() - HANGING_PULL_AFTER_MS));
  tell(pod({}));
  assert.deepEqual(reasons(SUBJECT), ["HangingPull"]);
  watch.close();
});

test("containers that fail for one image on one node stand together, the oldest failure first", async () => {
  const { watch, clock, pods } = watched();
  const waiting = { reason: "ErrImagePull", message: "i/o timeout" };
  const show = (options: PodOptions): void => {
    const shown = pod({ containers: [{ waiting }], ...options });
    pods.set(`${shown.namespace}/${shown.name}`, shown);
    watch.podChanged(`${shown.namespace}/${shown.name}`);
  };
  show({ name: "web-2" });
  await clock.advance(1_000);
  show({ name: "web-1" });
  show({ name: "web-3", node: "node-c" });
  show({ name: "web-4", namespace: "bank" });
  show({ name: "web-5", containers: [{ waiting, image: "registry.test:5000/app:v2" }] });
  const names = (): readonly string[] => watch.failing(SUBJECT).map((one) => one.pod.name);
  assert.deepEqual(names(), ["web-2", "web-1"]);
  assert.equal([...watch.subjects()].length, 4);
  show({ name: "web-2", containers: [{ isRunning: true }] });
  assert.deepEqual(names(), ["web-1"]);
  watch.close();
});

test("a pod that is made again under its name is another, and one that is gone fails no more", () => {
  const { watch, pods, tell } = watched();
  const told: string[] = [];
  const waiting = { reason: "ErrImagePull", message: "i/o timeout" };
  tell(pod({ containers: [{ waiting }] }));
  tell(pod({ uid: "uid-new", containers: [{ waiting }] }));
  assert.deepEqual(
    watch.failing(SUBJECT).map(({ episode }) => episode.podUid),
    ["uid-new"],
  );
  watch.onChange((subject) => told.push(subject));
  pods.delete("shop/web-1");
  assert.deepEqual(watch.failing(SUBJECT), [], "it is gone before the watch says so");
  watch.podChanged("shop/web-1");
  assert.deepEqual(told, [SUBJECT]);
  assert.deepEqual([...watch.subjects()], []);
  watch.close();
});
