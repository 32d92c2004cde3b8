import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { startRelayProcess, type RelayProcess } from "./relay-process.ts";

/** A file system of so many bytes, gone with the test. */
async function mountSmall(cleanup: Cleanup, bytes: number): Promise<string> {
  const target = join(cleanup.directory(), "small");
  mkdirSync(target);
  await run("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", target]);
  cleanup.add({ name: `unmount ${target}`, undo: async () => void (await run("umount", ["-l", target])) });
  return target;
}

/** Posts events until one is refused; answers the ids that were taken. */
async function fill(relay: RelayProcess, prefix: string): Promise<readonly string[]> {
  const taken: string[] = [];
  for (let at = 0; at < 5000; at += 1) {
    const id = `${prefix}-${at}`;
    const answer = await relay.post(testEvent({ id, data: { message: "x".repeat(50_000) } }));
    if (answer.status !== 202) {
      assert.equal(answer.status, 503, await answer.text());
      assert.equal(answer.headers.get("retry-after"), "10");
      return taken;
    }
    taken.push(id);
  }
  throw new Error("the disk is never full");
}

async function started(
  t: TestContext,
): Promise<{ relay: RelayProcess; disk: string; ids: () => readonly string[] }> {
  const cleanup = createCleanup(t);
  const disk = await mountSmall(cleanup, 16 * 2 ** 20);
  const receiver = await startReceiver(t);
  const relay = await startRelayProcess({
    cleanup,
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1}]`,
    dataDir: join(disk, "data"),
  });
  return { relay, disk, ids: () => receiver.ids() };
}

test("on a full disk events are refused until there is room, and what was taken is delivered", async (t) => {
  const { relay, disk, ids } = await started(t);
  const ballast = join(disk, "ballast");
  // room that SQLite needs to take its log, of 4 MiB, into the database again
  writeFileSync(ballast, Buffer.alloc(10 * 2 ** 20));
  const first = await fill(relay, "before");
  assert.ok(first.length > 5);
  assert.equal((await fetch(`${relay.metricsUrl}/healthz`)).status, 200);
  rmSync(ballast);
  const answer = await waitFor("room", async () => {
    const again = await relay.post(testEvent({ id: "after" }));
    return again.status === 202 && again;
  });
  assert.equal((await answer.json()).duplicate, false);
  const wanted = [...first, "after"].toSorted();
  await waitFor("all to arrive", () => new Set(ids()).size >= wanted.length, { timeoutMs: 20_000 });
  assert.deepEqual([...new Set(ids())].toSorted(), wanted);
});
