import assert from "node:assert/strict";
import { test } from "node:test";

import type { FailureCause } from "../detect/failure.ts";
import type { Holder } from "../resolve/holders.ts";
import { digestOf } from "../testing/nodes.ts";
import { pod } from "../testing/pods.ts";
import { authorise, type AuthorisationMode } from "./authorise.ts";

const REPOSITORY = "registry.test:5000/bank/ledger";
const DIGEST = digestOf("a");

const OWN = pod({ name: "own", containers: [{ isRunning: true, imageId: `${REPOSITORY}@${DIGEST}` }] });
const FOREIGN = pod({
  name: "theirs",
  namespace: "bank",
  containers: [{ isRunning: true, imageId: `${REPOSITORY}@${DIGEST}` }],
});
const HOLDER = { node: "node-a", repositories: [REPOSITORY] };
const OTHER_NAME = { node: "node-a", repositories: ["mirror.test/bank/ledger"] };

interface Case {
  readonly what: string;
  readonly mode?: AuthorisationMode;
  readonly cause?: FailureCause;
  readonly pods?: readonly ReturnType<typeof pod>[];
  readonly holders?: readonly Holder[];
  readonly expected: "pod" | "repository" | "off" | "refused";
}

const CASES: readonly Case[] = [
  { what: "a pod of the namespace runs it", pods: [OWN], expected: "pod" },
  { what: "a pod of the namespace runs it, strict", mode: "strict", pods: [OWN], expected: "pod" },
  {
    what: "refused credentials, but a pod of the namespace runs it",
    cause: "unauthorized",
    pods: [OWN],
    expected: "pod",
  },
  { what: "a node holds it under the name", holders: [HOLDER], expected: "repository" },
  { what: "a node holds it, strict", mode: "strict", holders: [HOLDER], expected: "refused" },
  {
    what: "a node holds it, refused credentials",
    cause: "unauthorized",
    holders: [HOLDER],
    expected: "refused",
  },
  {
    what: "only another tenant runs it, refused credentials",
    cause: "unauthorized",
    pods: [FOREIGN],
    holders: [HOLDER],
    expected: "refused",
  },
  {
    what: "only another tenant runs it, strict",
    mode: "strict",
    pods: [FOREIGN],
    holders: [HOLDER],
    expected: "refused",
  },
  { what: "a node holds it under another name", holders: [OTHER_NAME], expected: "refused" },
  { what: "nobody has it", expected: "refused" },
  { what: "no evidence at all, off", mode: "off", cause: "unauthorized", expected: "off" },
  {
    what: "a pod of the namespace runs another digest of the repository",
    mode: "strict",
    pods: [pod({ containers: [{ isRunning: true, imageId: `${REPOSITORY}@${digestOf("b")}` }] })],
    expected: "refused",
  },
  {
    what: "a pod of the namespace runs the digest under another repository",
    mode: "strict",
    pods: [pod({ containers: [{ isRunning: true, imageId: `registry.test:5000/shop/x@${DIGEST}` }] })],
    expected: "refused",
  },
  {
    what: "a pod of the namespace runs a repository whose name ends alike",
    mode: "strict",
    pods: [
      pod({
        containers: [{ isRunning: true, imageId: `evil.test/${REPOSITORY.replace(":5000", "")}@${DIGEST}` }],
      }),
    ],
    expected: "refused",
  },
  {
    what: "a pod of the namespace names the image and has never had it",
    mode: "strict",
    pods: [pod({ containers: [{ image: `${REPOSITORY}@${DIGEST}` }] })],
    expected: "refused",
  },
  {
    what: "a finished pod of the namespace had it",
    mode: "strict",
    pods: [
      pod({ phase: "Succeeded", containers: [{ isTerminated: true, imageId: `${REPOSITORY}@${DIGEST}` }] }),
    ],
    expected: "pod",
  },
];

for (const { what, expected, mode = "repository", cause = "unreachable", pods = [], holders = [] } of CASES) {
  test(`${what}: ${expected}`, () => {
    const facts = { mode, namespace: "shop", repository: REPOSITORY, digest: DIGEST, cause, pods, holders };
    const answer = authorise(facts);
    assert.equal(answer.allowed ? answer.kind : "refused", expected);
    const words = answer.allowed ? answer.evidence : answer.message;
    assert.ok(words.length > 0 && words.length < 500);
  });
}

for (const cause of ["not_found", "unreachable", "timeout", "tls", "rate_limited", "unknown"] as const) {
  test(`cause ${cause} lets a node's copy count`, () => {
    const facts = {
      mode: "repository" as const,
      namespace: "shop",
      repository: REPOSITORY,
      digest: DIGEST,
      cause,
      pods: [],
      holders: [HOLDER],
    };
    assert.equal(authorise(facts).allowed, true);
  });
}
