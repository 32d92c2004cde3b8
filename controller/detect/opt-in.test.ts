import assert from "node:assert/strict";
import { test } from "node:test";

import type { OwnerLink } from "../objects/owner.ts";
import { podOptIn, priorityOf, type OptIn } from "./opt-in.ts";

interface Case {
  readonly what: string;
  readonly enabled?: boolean;
  readonly namespace?: string;
  readonly allow?: string | undefined;
  readonly isDeleting?: boolean;
  readonly isUnknown?: boolean;
  readonly pod?: string;
  readonly owners?: readonly (string | undefined | Error)[];
  readonly expected: string;
}

function owner(value: string | undefined | Error, index: number): OwnerLink {
  const kinds = ["ReplicaSet", "Deployment", "Fleet"];
  const reference = { apiVersion: "apps/v1", kind: kinds[index] ?? "X", name: "web", uid: `o${index}` };
  if (value instanceof Error) return { kind: "unreadable", reference, why: value.message };
  return { kind: "read", reference, annotations: annotation("tote.dev/auto-salvage", value) };
}

function annotation(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [name]: value };
}

function decide(one: Case): OptIn {
  const { namespace = "shop" } = one;
  return podOptIn({
    enabled: one.enabled ?? true,
    namespaceName: namespace,
    namespace:
      one.isUnknown === true
        ? undefined
        : {
            name: namespace,
            uid: "u",
            resourceVersion: "1",
            isDeleting: one.isDeleting ?? false,
            annotations: annotation("tote.dev/allow", "allow" in one ? one.allow : "true"),
          },
    podAnnotations: annotation("tote.dev/auto-salvage", one.pod),
    owners: (one.owners ?? []).map(owner),
  });
}

const CASES: readonly Case[] = [
  { what: "pod and namespace ask", pod: "true", expected: "Pod" },
  { what: "the ReplicaSet asks", owners: ["true"], expected: "ReplicaSet web" },
  { what: "the Deployment above asks", owners: [undefined, "true"], expected: "Deployment web" },
  { what: "nobody asks", owners: [undefined, undefined], expected: "WorkloadNotOptedIn" },
  { what: "a bare pod does not ask", expected: "WorkloadNotOptedIn" },
  { what: "the pod says no, its owner yes", pod: "false", owners: ["true"], expected: "WorkloadNotOptedIn" },
  { what: "the pod says yes, its owner no", pod: "true", owners: ["false"], expected: "Pod" },
  { what: "an illegal value is no yes", pod: "yes", expected: "WorkloadNotOptedIn" },
  {
    what: "an illegal value does not hide the owner's",
    pod: "TRUE",
    owners: ["true"],
    expected: "ReplicaSet web",
  },
  { what: "an owner cannot be read", owners: [new Error("403")], expected: "WorkloadNotOptedIn" },
  {
    what: "an unreadable owner does not hide the one below",
    owners: ["true", new Error("403")],
    expected: "ReplicaSet web",
  },
  { what: "the namespace does not allow", allow: undefined, pod: "true", expected: "NamespaceNotOptedIn" },
  { what: "the namespace says false", allow: "false", pod: "true", expected: "NamespaceNotOptedIn" },
  { what: "the namespace says True", allow: "True", pod: "true", expected: "NamespaceNotOptedIn" },
  { what: "the namespace is going", isDeleting: true, pod: "true", expected: "NamespaceNotOptedIn" },
  { what: "the namespace is not known", isUnknown: true, pod: "true", expected: "NamespaceNotOptedIn" },
  { what: "kube-system allows", namespace: "kube-system", pod: "true", expected: "NamespaceDenied" },
  { what: "kube-public allows", namespace: "kube-public", pod: "true", expected: "NamespaceDenied" },
  { what: "kube-node-lease allows", namespace: "kube-node-lease", pod: "true", expected: "NamespaceDenied" },
  { what: "the kill switch is thrown", enabled: false, pod: "true", expected: "Disabled" },
];

for (const one of CASES) {
  test(`${one.what}: ${one.expected}`, () => {
    const decision = decide(one);
    assert.equal(decision.allowed ? decision.by : decision.reason, one.expected);
  });
}

test("an owner that could not be read is named with the reason", () => {
  const decision = decide({ what: "", owners: [undefined, new Error("403, grant get")], expected: "" });
  assert.match(decision.allowed ? "" : decision.message, /Deployment web: 403, grant get/);
});

const PRIORITY: readonly (readonly [string | undefined, string | undefined, string])[] = [
  [undefined, undefined, "normal"],
  ["high", "low", "high"],
  [undefined, "low", "low"],
  ["urgent", "high", "high"],
  ["urgent", undefined, "normal"],
];

for (const [onPod, onOwner, expected] of PRIORITY) {
  test(`priority ${onPod} on the pod and ${onOwner} on its owner is ${expected}`, () => {
    const link: OwnerLink = {
      kind: "read",
      reference: { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "o" },
      annotations: annotation("tote.dev/priority", onOwner),
    };
    assert.equal(priorityOf(annotation("tote.dev/priority", onPod), [link]), expected);
  });
}
