import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { RESUME_TTL_MS, RUNNING_LEASE_TTL_MS } from "../limits.ts";
import { ImportLeases } from "./import-leases.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";

const HEX = "a".repeat(64);
const DIGEST = `sha256:${HEX}`;
const RUNNING = `tote-import-${HEX}`;
const KEPT = `tote-resume-${HEX}`;
const options = {};

function rig() {
  const clock = createManualClock();
  const memory = new MemoryLeases(() => clock.now());
  const removed: string[] = [];
  const snapshots = {
    remove: async (snapshotter: string, key: string) => void removed.push(`${snapshotter} ${key}`),
  };
  const leases = new ImportLeases({ containerd: { leases: memory, snapshots }, clock });
  const expires = (id: string): number =>
    Date.parse(memory.held.get(id)?.labels["containerd.io/gc.expire"] ?? "") - clock.now();
  return { clock, memory, removed, leases, expires };
}

test("a running import has a lease with an expiry as a backstop", async () => {
  const { leases, memory, expires } = rig();
  assert.equal(await leases.begin(DIGEST, options), RUNNING);
  assert.deepEqual([...memory.held.keys()], [RUNNING]);
  assert.equal(expires(RUNNING), RUNNING_LEASE_TTL_MS);
});

test("what is kept lives for an hour from then, and the next try takes all of it over", async () => {
  const { leases, memory, expires, clock } = rig();
  await leases.begin(DIGEST, options);
  const content = { id: "sha256:layer", type: "content" };
  const ingest = { id: "tote-sha256:other", type: "ingests" };
  await memory.addResource(RUNNING, content);
  await memory.addResource(RUNNING, ingest);
  await clock.advance(5000);
  await leases.keep(DIGEST, options);
  assert.deepEqual([...memory.held.keys()], [KEPT]);
  assert.equal(expires(KEPT), RESUME_TTL_MS);
  assert.deepEqual(await memory.resources(KEPT), [content, ingest]);
  await leases.begin(DIGEST, options);
  assert.deepEqual([...memory.held.keys()], [RUNNING]);
  assert.deepEqual(await memory.resources(RUNNING), [content, ingest]);
});

test("a snapshot that was being unpacked is not kept, a finished one is", async () => {
  const { leases, memory, removed } = rig();
  await leases.begin(DIGEST, options);
  const finished = { id: "sha256:chain", type: "snapshots/overlayfs" };
  await memory.addResource(RUNNING, { id: "extract-tote-1 sha256:chain2", type: "snapshots/overlayfs" });
  await memory.addResource(RUNNING, finished);
  await leases.keep(DIGEST, options);
  assert.deepEqual(await memory.resources(KEPT), [finished]);
  assert.deepEqual(removed, ["overlayfs extract-tote-1 sha256:chain2"]);
});

test("released: both leases go", async () => {
  const { leases, memory } = rig();
  await leases.begin(DIGEST, options);
  await memory.create({ id: KEPT });
  await leases.release(DIGEST, { sync: true });
  assert.equal(memory.held.size, 0);
});

test("the list has each image once with the time of its last lease, and leases of nobody else", async () => {
  const { leases, memory, clock } = rig();
  await memory.create({ id: KEPT });
  const first = clock.now();
  await clock.advance(1000);
  await memory.create({ id: RUNNING });
  await memory.create({ id: `tote-import-${"b".repeat(64)}` });
  for (const id of ["tote-export-1", `tote-blob-${HEX}`, `tote-import-${HEX}0`, "somebody"]) {
    await memory.create({ id });
  }
  const list = await leases.list(options);
  assert.deepEqual([...list.keys()].sort(), [DIGEST, `sha256:${"b".repeat(64)}`]);
  assert.equal(list.get(DIGEST)?.getTime(), first + 1000);
});
