import assert from "node:assert/strict";
import { test } from "node:test";

import { createLogger } from "../../lib/log.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { ApiError } from "../kube/api-error.ts";
import { OWNER_CHAIN_MAX } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import { pod } from "../testing/pods.ts";
import { OwnerChain } from "./owner-chain.ts";

const { signal } = new AbortController();
const SET = "/apis/apps/v1/namespaces/shop/replicasets/web-1";
const DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web";
const POD = pod({ owner: { kind: "ReplicaSet", name: "web-1", uid: "u-set" } });

/** An owner as the API server sends it, itself owned by "kind/name/uid". */
function owner(uid: string, above?: readonly [string, string, string]): unknown {
  const [kind, name, aboveUid] = above ?? [];
  const ownerReferences = [{ apiVersion: "apps/v1", controller: true, kind, name, uid: aboveUid }];
  const annotations = { [ANNOTATIONS.autoSalvage]: "true" };
  return { metadata: { uid, annotations, ...(above !== undefined && { ownerReferences }) } };
}

function setUp() {
  const objects = new Map<string, unknown>([
    [SET, owner("u-set", ["Deployment", "web", "u-web"])],
    [DEPLOYMENT, owner("u-web")],
  ]);
  const errors = new Map<string, number>();
  const asked: string[] = [];
  const lines: string[] = [];
  const clock = createManualClock();
  const chain = new OwnerChain({
    api: {
      async getPath(path) {
        asked.push(path);
        await Promise.resolve();
        const status = errors.get(path) ?? (objects.has(path) ? 0 : 404);
        if (status !== 0) throw new ApiError(`get ${path}`, { status, reason: "", message: "" });
        return objects.get(path);
      },
    },
    clock,
    logger: createLogger({
      name: "test",
      level: "warn",
      format: "text",
      now: () => 0,
      write: (line) => void lines.push(line),
    }),
  });
  return { chain, objects, errors, asked, lines, clock };
}

test("owners come nearest first, with their annotations", async () => {
  const { chain, asked } = setUp();
  const links = await chain.of(POD, signal);
  assert.deepEqual(
    links.map((link) => [link.reference.kind, link.kind === "read" && link.annotations]),
    [
      ["ReplicaSet", { [ANNOTATIONS.autoSalvage]: "true" }],
      ["Deployment", { [ANNOTATIONS.autoSalvage]: "true" }],
    ],
  );
  assert.deepEqual(asked, [SET, DEPLOYMENT]);
  assert.deepEqual(await chain.of(pod({}), signal), [], "a bare pod has none");
});

test("an owner is read once for all its pods, also when they ask at the same time", async () => {
  const { chain, asked } = setUp();
  await Promise.all(Array.from({ length: 100 }, async () => await chain.of(POD, signal)));
  assert.equal(asked.length, 2);
});

test("an owner is read again after half a minute, or when it must be fresher", async () => {
  const { chain, asked, clock } = setUp();
  await chain.of(POD, signal);
  await clock.advance(4_000);
  await chain.of(POD, signal, 5_000);
  await chain.of(POD, signal);
  assert.equal(asked.length, 2);
  await chain.of(POD, signal, 4_000);
  assert.equal(asked.length, 4);
  await clock.advance(30_000);
  await chain.of(POD, signal);
  assert.equal(asked.length, 6);
});

test("an owner of the same uid in another namespace is another", async () => {
  const { chain, asked } = setUp();
  const elsewhere = { ...POD, namespace: "bank" };
  await chain.of(POD, signal);
  const [link] = await chain.of(elsewhere, signal);
  assert.equal(asked.at(-1), SET.replace("shop", "bank"));
  assert.equal(link?.kind, "unreadable");
});

test("one that is gone, or was made again, or may not be read, ends the chain and says why", async () => {
  for (const [change, why] of [
    [(all: ReturnType<typeof setUp>) => void all.objects.delete(SET), /no such object/],
    [(all: ReturnType<typeof setUp>) => void all.objects.set(SET, owner("u-new")), /made again/],
    [(all: ReturnType<typeof setUp>) => void all.errors.set(SET, 403), /may not read/],
  ] as const) {
    const all = setUp();
    change(all);
    const [link, ...more] = await all.chain.of(POD, signal);
    assert.match(link?.kind === "unreadable" ? link.why : "read", why);
    assert.deepEqual(more, []);
  }
});

test("a kind that may not be read is said once, however many owners of it there are", async () => {
  const { chain, errors, lines } = setUp();
  errors.set(SET, 403);
  errors.set(SET.replace("web-1", "web-2"), 403);
  await chain.of(POD, signal);
  await chain.of(pod({ owner: { kind: "ReplicaSet", name: "web-2", uid: "u-2" } }), signal);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /ReplicaSet of apps\/v1/);
});

test("an API server in trouble is no answer, and is asked again", async () => {
  const { chain, errors } = setUp();
  errors.set(DEPLOYMENT, 500);
  await assert.rejects(chain.of(POD, signal), /cannot get .*deployments\/web: 500/);
  errors.clear();
  assert.equal((await chain.of(POD, signal)).length, 2);
});

test("a reference that no API server would have is not asked for", async () => {
  const { chain, asked } = setUp();
  const hostile = pod({ owner: { kind: "ReplicaSet", name: "../../secrets/x", uid: "u" } });
  const [link] = await chain.of(hostile, signal);
  assert.equal(link?.kind, "unreadable");
  assert.deepEqual(asked, []);
});

test("owners that own each other are followed so far and no further", async () => {
  const { chain, objects, asked } = setUp();
  objects.set(DEPLOYMENT, owner("u-web", ["ReplicaSet", "web-1", "u-set"]));
  assert.equal((await chain.of(POD, signal)).length, OWNER_CHAIN_MAX);
  assert.equal(asked.length, 2);
});
