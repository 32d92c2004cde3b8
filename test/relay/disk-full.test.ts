import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { errorCode } from "../../lib/errors.ts";
import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver, type Receiver } from "../../webhook-relay/testing/receiver.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { startRelayProcess, type RelayProcess } from "./relay-process.ts";

/** Deliveries that failed for want of room are made again after a while, later under Deno than under Node. */
const PATIENCE = { timeoutMs: 90_000 };

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

/** Takes what room is left. */
function fillUp(disk: string): void {
  const file = openSync(join(disk, "rest"), "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    assert.equal(errorCode(error), "ENOSPC");
  } finally {
    closeSync(file);
  }
}

/** The gauge, and `/readyz` of both ports. */
async function isWritable(relay: RelayProcess): Promise<string> {
  const [, gauge] = /^tote_relay_store_writable (\d)$/m.exec(await relay.metrics()) ?? [];
  const ports = [relay.url, relay.metricsUrl].map(async (url) => (await fetch(`${url}/readyz`)).status);
  return [gauge, ...(await Promise.all(ports))].join(" ");
}

async function started(t: TestContext): Promise<{ relay: RelayProcess; disk: string; receiver: Receiver }> {
  const cleanup = createCleanup(t);
  const disk = await mountSmall(cleanup, 16 * 2 ** 20);
  const receiver = await startReceiver(t);
  const relay = await startRelayProcess({
    cleanup,
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1}]`,
    dataDir: join(disk, "data"),
    args: ["--shutdown-timeout=1s"],
  });
  return { relay, disk, receiver };
}

test("on a full disk events are refused until there is room, and what was taken is delivered", async (t) => {
  const { relay, disk, receiver } = await started(t);
  const ids = (): readonly string[] => receiver.ids();
  const ballast = join(disk, "ballast");
  // room that SQLite needs to take its log, of 4 MiB, into the database again
  writeFileSync(ballast, Buffer.alloc(10 * 2 ** 20));
  const first = await fill(relay, "before");
  assert.ok(first.length > 5);
  assert.equal((await fetch(`${relay.metricsUrl}/healthz`)).status, 200);
  const more: string[] = [];
  await waitFor("everybody to know", async () => {
    // small writes may still fit, one of an event does not
    more.push(...(await fill(relay, `more-${randomUUID()}`)));
    return (await isWritable(relay)) === "0 503 503";
  });
  rmSync(ballast);
  const answer = await waitFor("room", async () => {
    const again = await relay.post(testEvent({ id: "after" }));
    return again.status === 202 && again;
  });
  assert.equal((await answer.json()).duplicate, false);
  assert.equal(await isWritable(relay), "1 200 200");
  const wanted = [...first, ...more, "after"].toSorted();
  await waitFor("all to arrive", () => new Set(ids()).size >= wanted.length, PATIENCE);
  assert.deepEqual([...new Set(ids())].toSorted(), wanted);
});

test("a disk that stays full does not keep the relay from its end, and the next one delivers", async (t) => {
  const { relay, disk, receiver } = await started(t);
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, Buffer.alloc(10 * 2 ** 20));
  const answers: (() => void)[] = [];
  receiver.behave((_, response) => void answers.push(() => response.writeHead(204).end()));
  const taken = await fill(relay, "held");
  await waitFor("attempts", () => answers.length === 4);
  // no room for a page, in whatever SQLite writes next
  fillUp(disk);
  receiver.behave(undefined);
  for (const answer of answers) answer();
  await waitFor("the complaint", () => relay.logs().includes("the end of an attempt cannot be written"));
  await relay.kill("SIGTERM");
  assert.deepEqual(await relay.exited, { code: 0, signal: null });
  for (const file of [ballast, join(disk, "rest")]) rmSync(file);
  const cleanup = createCleanup(t);
  await startRelayProcess({
    cleanup,
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1}]`,
    directory: join(cleanup.directory(), "next"),
    dataDir: join(disk, "data"),
  });
  await waitFor("all to arrive", () => new Set(receiver.ids()).size >= taken.length, PATIENCE);
  assert.deepEqual([...new Set(receiver.ids())].toSorted(), taken.toSorted());
});
