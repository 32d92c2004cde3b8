import assert from "node:assert/strict";
import { test } from "node:test";

import { parseReference } from "../../lib/reference.ts";
import { EVIDENCE_MAX } from "../limits.ts";
import { digestOf, node } from "../testing/nodes.ts";
import { pod, type PodOptions } from "../testing/pods.ts";
import { resolveDigest, type ResolutionFacts } from "./resolve-digest.ts";

const IMAGE = "registry.test:5000/app:v1";
const REPOSITORY = "registry.test:5000/app";
const OLD = digestOf("a");
const NEW = digestOf("b");
const OWNER = { kind: "ReplicaSet", name: "web-7", uid: "rs-7" };
const FAILING = pod({ name: "failing", owner: OWNER });

function running(name: string, digest: string, options: PodOptions = {}): ReturnType<typeof pod> {
  return pod({
    name,
    phase: "Running",
    containers: [{ isRunning: true, imageId: `${REPOSITORY}@${digest}` }],
    ...options,
  });
}

function holder(name: string, digest: string, tag = IMAGE): ReturnType<typeof node> {
  return node(name, { images: [[`${REPOSITORY}@${digest}`, tag]] });
}

function answer(facts: Partial<ResolutionFacts>, image = IMAGE): string {
  const resolution = resolveDigest({
    reference: parseReference(image),
    namespace: "shop",
    pod: FAILING,
    pods: [],
    nodes: [],
    ...facts,
  });
  if (resolution.kind === "unresolved") return "unresolved";
  if (resolution.kind === "ambiguous") return `ambiguous ${resolution.tier}`;
  return `${resolution.tier} ${resolution.digest === NEW ? "new" : "old"}`;
}

const THREE_OLD = [holder("a", OLD), holder("b", OLD), holder("c", OLD)];

const TABLE: readonly (readonly [string, Partial<ResolutionFacts>, string])[] = [
  ["nobody knows", {}, "unresolved"],
  [
    "a sibling has the new one, three nodes the old one",
    { pods: [running("s", NEW, { owner: OWNER })], nodes: THREE_OLD },
    "siblings new",
  ],
  [
    "two siblings disagree",
    { pods: [running("s", NEW, { owner: OWNER }), running("t", OLD, { owner: OWNER })] },
    "ambiguous siblings",
  ],
  [
    "a sibling of another ReplicaSet is only a pod of the namespace",
    { pods: [running("s", OLD, { owner: { ...OWNER, uid: "rs-6" } }), running("t", NEW, { owner: OWNER })] },
    "siblings new",
  ],
  [
    "another revision of the same StatefulSet is no sibling",
    { pods: [running("s", OLD, { owner: OWNER, labels: { "controller-revision-hash": "1" } })] },
    "namespace old",
  ],
  ["a pod of the namespace", { pods: [running("x", NEW)], nodes: THREE_OLD }, "namespace new"],
  ["pods of the namespace disagree", { pods: [running("x", NEW), running("y", OLD)] }, "ambiguous namespace"],
  [
    "a pod of another namespace is no witness",
    { pods: [running("x", NEW, { namespace: "other" })] },
    "unresolved",
  ],
  [
    "a sibling of another namespace is no witness",
    { pods: [running("x", NEW, { namespace: "other", owner: OWNER })] },
    "unresolved",
  ],
  ["all nodes agree", { nodes: THREE_OLD }, "nodes old"],
  ["nodes disagree", { nodes: [...THREE_OLD, holder("d", NEW)] }, "ambiguous nodes"],
  ["nodes know other tags only", { nodes: [holder("a", OLD, `${REPOSITORY}:v2`)] }, "unresolved"],
  [
    "a tag of the same end in another repository",
    { nodes: [holder("a", OLD, "registry.test:5000/other-app:v1")] },
    "unresolved",
  ],
  [
    "an image with two digests of the repository",
    { nodes: [node("a", { images: [[`${REPOSITORY}@${OLD}`, `${REPOSITORY}@${NEW}`, IMAGE]] })] },
    "ambiguous nodes",
  ],
  [
    "a digest of another repository does not count",
    { nodes: [node("a", { images: [[`mirror.test/app@${NEW}`, `${REPOSITORY}@${OLD}`, IMAGE]] })] },
    "nodes old",
  ],
  ["an agent knows", { agents: new Map([["a", { digest: NEW }]]) }, "nodes new"],
  [
    "an agent corrects its node's status",
    { nodes: [holder("a", OLD)], agents: new Map([["a", { digest: NEW }]]) },
    "nodes new",
  ],
  [
    "an agent says that the name is gone",
    { nodes: [holder("a", OLD)], agents: new Map([["a", "absent" as const]]) },
    "unresolved",
  ],
  [
    "an agent and another node disagree",
    { nodes: [holder("b", OLD)], agents: new Map([["a", { digest: NEW }]]) },
    "ambiguous nodes",
  ],
  ["the registry knows", { registry: NEW }, "registry new"],
  ["the registry comes last", { registry: NEW, nodes: THREE_OLD }, "nodes old"],
  [
    "a corrupt image is the one that the target has",
    { target: OLD, pods: [running("s", NEW, { owner: OWNER })] },
    "target old",
  ],
  [
    "a sibling that waits is no witness",
    {
      pods: [
        pod({
          name: "s",
          owner: OWNER,
          containers: [{ waiting: { reason: "ImagePullBackOff" }, imageId: `${REPOSITORY}@${NEW}` }],
        }),
      ],
    },
    "unresolved",
  ],
  [
    "a finished Job is a witness of the namespace",
    {
      pods: [
        running("j", NEW, {
          phase: "Succeeded",
          containers: [{ isTerminated: true, imageId: `${REPOSITORY}@${NEW}` }],
        }),
      ],
    },
    "namespace new",
  ],
  [
    "a container that has just ended in a live pod is not",
    { pods: [running("j", NEW, { containers: [{ isTerminated: true, imageId: `${REPOSITORY}@${NEW}` }] })] },
    "unresolved",
  ],
  [
    "a sibling still ends after an edit in place, and a node has the tag",
    {
      pods: [
        running("s", OLD, {
          owner: OWNER,
          containers: [{ isRunning: true, imageId: `${REPOSITORY}@${OLD}`, statusImage: `${REPOSITORY}:v0` }],
        }),
      ],
      nodes: [holder("a", NEW)],
    },
    "nodes new",
  ],
  [
    "a bare digest of a configuration is no evidence",
    { pods: [running("s", NEW, { owner: OWNER, containers: [{ isRunning: true, imageId: NEW }] })] },
    "unresolved",
  ],
  [
    "a digest that the runtime tells under another repository is no evidence",
    {
      pods: [
        running("s", NEW, {
          owner: OWNER,
          containers: [{ isRunning: true, imageId: `mirror.test/app@${NEW}` }],
        }),
      ],
    },
    "unresolved",
  ],
  [
    "another container's image is no evidence",
    {
      pods: [
        running("s", NEW, {
          owner: OWNER,
          containers: [{ isRunning: true, image: `${REPOSITORY}:v2`, imageId: `${REPOSITORY}@${NEW}` }],
        }),
      ],
    },
    "unresolved",
  ],
];

for (const [what, facts, expected] of TABLE) {
  test(`${what}: ${expected}`, () => {
    assert.equal(answer(facts), expected);
  });
}

test("the digest in the name decides alone, and the tag beside it means nothing", () => {
  const facts = { pods: [running("s", OLD, { owner: OWNER })], nodes: THREE_OLD };
  assert.equal(answer(facts, `${REPOSITORY}@${NEW}`), "reference new");
  assert.equal(answer(facts, `${REPOSITORY}:v1@${NEW}`), "reference new");
});

test("a digest that containerd does not use cannot be found", () => {
  assert.equal(answer({}, `${REPOSITORY}@sha512:${"a".repeat(128)}`), "unresolved");
});

test("different spellings of one name are the same name", () => {
  const witness = running("s", NEW, {
    owner: OWNER,
    containers: [
      { isRunning: true, image: "docker.io/library/nginx:latest", imageId: `docker.io/library/nginx@${NEW}` },
    ],
  });
  assert.equal(answer({ pods: [witness] }, "nginx"), "siblings new");
});

test("disagreement names the digests, who says so, and what to do", () => {
  const pods = Array.from({ length: 50 }, (_, index) => running(`p${index}`, index < 49 ? NEW : OLD));
  const resolution = resolveDigest({
    reference: parseReference(IMAGE),
    namespace: "shop",
    pods,
    nodes: [],
  });
  assert.ok(resolution.kind === "ambiguous");
  assert.equal(resolution.candidates[0]?.digest, NEW);
  assert.equal(resolution.candidates[0]?.from.length, EVIDENCE_MAX);
  assert.match(
    resolution.message,
    new RegExp(`${NEW} \\(pod p0, .*\\.\\.\\.\\), ${OLD} \\(pod p49\\); name`),
  );
  assert.ok(resolution.message.length < 600);
});
