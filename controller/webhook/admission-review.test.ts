import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { nudgePatch } from "../recover/nudge.ts";
import { asObject, asText } from "../objects/json.ts";
import { answerReview } from "./admission-review.ts";

type Annotations = Readonly<Record<string, string>>;

interface Answer {
  readonly allowed: boolean;
  readonly message: string;
  readonly warnings: readonly unknown[];
}

function ask(request: object): Answer {
  const answer = answerReview({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: { uid: "u-1", operation: "CREATE", ...request },
  });
  const response = asObject(asObject(answer?.body)["response"]);
  assert.equal(response["uid"], "u-1");
  const { warnings } = response;
  return {
    allowed: response["allowed"] === true,
    message: asText(asObject(response["status"])["message"]),
    warnings: Array.isArray(warnings) ? warnings : [],
  };
}

function write(kind: string, annotations: Annotations, before?: Annotations): Answer {
  return ask({
    kind: { kind },
    operation: before === undefined ? "CREATE" : "UPDATE",
    object: { metadata: { name: "x", annotations } },
    ...(before !== undefined && { oldObject: { metadata: { name: "x", annotations: before } } }),
  });
}

void suite("annotations of tote", () => {
  const good: readonly (readonly [kind: string, name: string, value: string])[] = [
    ["Namespace", "tote.dev/allow", "true"],
    ["Namespace", "tote.dev/allow", "false"],
    ["Pod", "tote.dev/auto-salvage", "true"],
    ["Deployment", "tote.dev/auto-salvage", "false"],
    ["CronJob", "tote.dev/priority", "high"],
    ["Pod", "tote.dev/priority", "low"],
    ["Pod", "tote.dev/salvaged-at", "2026-01-31T12:00:00.000Z"],
    ["Pod", "example.com/anything", "x"],
    ["Pod", "tote.development/x", "x"],
  ];
  for (const [kind, name, value] of good) {
    void test(`${name}: ${value} may stand on a ${kind}`, () => {
      assert.deepEqual(write(kind, { [name]: value }), { allowed: true, message: "", warnings: [] });
    });
  }

  const bad: readonly (readonly [kind: string, name: string, value: string, why: RegExp])[] = [
    ["Namespace", "tote.dev/alow", "true", /unknown annotation, known are tote\.dev\/allow/],
    ["Namespace", "tote.dev/allow", "yes", /"yes" is not allowed, must be "true" or "false"/],
    ["Namespace", "tote.dev/auto-salvage", "true", /no effect here.*a Namespace has tote\.dev\/allow/],
    ["Pod", "tote.dev/allow", "true", /no effect here, it belongs on the Namespace/],
    ["Pod", "tote.dev/auto-salvage", "True", /"True" is not allowed/],
    ["Deployment", "tote.dev/priority", "urgent", /must be one of high, normal, low/],
    ["Deployment", "tote.dev/salvaged-at", "2026-01-31T12:00:00Z", /tote writes it, on Pods alone/],
    ["Pod", "tote.dev/salvaged-at", "yesterday", /must be a time/],
  ];
  for (const [kind, name, value, why] of bad) {
    void test(`${name}: ${value} may not stand on a ${kind}, and it is said why`, () => {
      const { allowed, message } = write(kind, { [name]: value });
      assert.equal(allowed, false);
      assert.match(message, why);
      assert.ok(message.startsWith(`metadata.annotations[${name}]: `), message);
    });
  }

  void test("templates of pods are looked at, those of jobs of cron jobs, too", () => {
    const template = { metadata: { annotations: { "tote.dev/auto-salvage": "on" } } };
    const deployment = ask({ kind: { kind: "Deployment" }, object: { spec: { template } } });
    assert.match(deployment.message, /^spec\.template\.metadata\.annotations\[tote\.dev\/auto-salvage\]/);
    const cronJob = ask({
      kind: { kind: "CronJob" },
      object: { spec: { jobTemplate: { spec: { template } } } },
    });
    assert.match(cronJob.message, /^spec\.jobTemplate\.spec\.template\.metadata\.annotations/);
  });

  void test("what was there before is not held against who changes something else", () => {
    const wrong = { "tote.dev/allow": "yes" };
    assert.equal(write("Namespace", { ...wrong, other: "1" }, wrong).allowed, true);
    assert.equal(write("Namespace", { "tote.dev/allow": "no" }, wrong).allowed, false);
    assert.equal(write("Namespace", {}, wrong).allowed, true);
  });

  void test("what a controller makes of an older template is warned of and not refused", () => {
    const annotations = { "tote.dev/alow": "true" };
    const by = (controller: boolean): object => ({
      kind: { kind: "Pod" },
      object: {
        metadata: { annotations, ownerReferences: [{ kind: "ReplicaSet", name: "web-1", controller }] },
      },
    });
    const { allowed, warnings } = ask(by(true));
    assert.equal(allowed, true);
    assert.match(String(warnings[0]), /^metadata\.annotations\[tote\.dev\/alow\]: unknown annotation/);
    assert.equal(ask(by(false)).allowed, false);
  });

  void test("what is being deleted may be changed in any way", () => {
    const metadata = { deletionTimestamp: "2026-01-31T12:00:00Z", annotations: { "tote.dev/x": "1" } };
    assert.equal(ask({ kind: { kind: "Pod" }, operation: "UPDATE", object: { metadata } }).allowed, true);
    assert.equal(ask({ kind: { kind: "Pod" }, operation: "DELETE", oldObject: { metadata } }).allowed, true);
  });

  void test("the nudge passes", () => {
    const { annotations } = asObject(asObject(nudgePatch("uid", Date.now()))["metadata"]);
    const object = { metadata: { annotations } };
    for (const subResource of ["", "status"]) {
      const answer = ask({ kind: { kind: "Pod" }, operation: "UPDATE", subResource, object, oldObject: {} });
      assert.equal(answer.allowed, true, answer.message);
    }
  });

  void test("whoever asks for tote and pulls always is warned, with the containers' names", () => {
    const pod = (annotations: Annotations, imagePullPolicy: string): object => ({
      metadata: { annotations },
      spec: { containers: [{ name: "app", imagePullPolicy }], initContainers: [{ name: "init" }] },
    });
    const asks = { "tote.dev/auto-salvage": "true" };
    const warned = ask({ kind: { kind: "Pod" }, object: pod(asks, "Always") });
    assert.equal(warned.allowed, true);
    assert.match(String(warned.warnings[0]), /does not help container app: imagePullPolicy Always/);
    assert.deepEqual(ask({ kind: { kind: "Pod" }, object: pod(asks, "IfNotPresent") }).warnings, []);
    assert.deepEqual(ask({ kind: { kind: "Pod" }, object: pod({}, "Always") }).warnings, []);
    const deployment = ask({
      kind: { kind: "Deployment" },
      object: { metadata: { annotations: asks }, spec: { template: pod({}, "Always") } },
    });
    assert.equal(deployment.warnings.length, 1);
  });

  void test("many mistakes are counted, not listed", () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_none, at) => [`tote.dev/x${at}`, "1"]));
    const { message } = write("Pod", many);
    assert.match(message, /and 490 more$/);
    assert.ok(message.length < 2000);
  });

  void test("what is no review is not answered", () => {
    for (const value of [undefined, null, [], {}, { apiVersion: "admission.k8s.io/v1beta1" }, "x"]) {
      assert.equal(answerReview(value), undefined);
    }
  });
});
