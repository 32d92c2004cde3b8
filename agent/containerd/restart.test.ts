import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Code, ConnectError } from "@connectrpc/connect";

import { createContainerd } from "./client.ts";
import { isLocked, isUnavailable } from "./errors.ts";
import { collect, digestOf, openedWriter, putBlob, randomBlob, suiteContainerd } from "./testing.ts";

const MIB = 1024 * 1024;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal });
}

/** Stops a process, and waits until all its threads stand still. */
async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const tasks = `/proc/${pid}/task`;
  for (let running = true; running;) {
    await sleep(5);
    const stats = (await readdir(tasks)).map((id) => readFile(`${tasks}/${id}/stat`, "utf8"));
    running = (await Promise.all(stats)).some((stat) => !stat.includes(") T "));
  }
}

function goneError(error: unknown): boolean {
  assert.ok(isUnavailable(error) && !isLocked(error), String(error));
  assert.match(String(error), /cannot reach containerd at .*containerd\.sock, check that it runs/);
  return true;
}

void describe("a containerd that goes away", () => {
  const suite = suiteContainerd();

  void test("killed in the middle of a write: unavailable, and the write is resumed after the restart", async () => {
    const { containerd, node } = suite;
    const blob = randomBlob(60 * MIB);
    const writer = await openedWriter(containerd, blob);
    const writing = (async () => {
      for (let at = 0; at < blob.size; at += MIB) {
        await writer.write(blob.bytes.subarray(at, at + MIB));
        if (at === 20 * MIB) await node.kill();
      }
      await writer.commit(blob);
    })();
    await assert.rejects(writing, goneError);
    await writer.close();
    await assert.rejects(openedWriter(containerd, blob), goneError);
    await assert.rejects(containerd.version(), goneError);
    await assert.rejects(containerd.content.info(blob.digest), goneError);
    await assert.rejects(collect(containerd.content.list()), goneError);
    assert.equal(await containerd.isAvailable(), false);

    const { signal } = new AbortController();
    const waiting = containerd.waitReady({ timeoutMs: 30_000, signal, sleep: pause });
    await node.restart();
    await waiting;
    assert.equal(await containerd.isAvailable(), true);
    const resumed = await openedWriter(containerd, blob);
    assert.ok(resumed.offset > 10 * MIB, `resumed at ${resumed.offset}`);
    await resumed.write(blob.bytes.subarray(resumed.offset));
    assert.equal(await resumed.commit(blob), "committed");
    await resumed.close();
    assert.equal(digestOf(Buffer.concat(await collect(containerd.content.read(blob.digest)))), blob.digest);
  });

  void test("stopped in an orderly way in the middle of a read and of calls: unavailable", async () => {
    const { containerd, node } = suite;
    const blob = randomBlob(60 * MIB);
    await putBlob(containerd, blob);
    const reader = containerd.content.read(blob.digest)[Symbol.asyncIterator]();
    await reader.next();
    const open = await openedWriter(containerd, randomBlob(10));
    const version = containerd.version();
    await version;
    await node.kill("SIGTERM");
    await assert.rejects(async () => {
      while ((await reader.next()).done !== true);
    }, goneError);
    await assert.rejects(async () => {
      await open.write(new Uint8Array(5));
      await open.commit({ size: 5, digest: digestOf(new Uint8Array(5)) });
    }, goneError);
    await open.close();
    await node.restart();
    assert.equal(digestOf(Buffer.concat(await collect(containerd.content.read(blob.digest)))), blob.digest);
    assert.match((await containerd.version()).version, /^\d/);
  });

  void test("a containerd that hangs runs into the timeouts, and answers again once it goes on", async () => {
    const { containerd, node } = suite;
    await freeze(node.pid);
    try {
      await assert.rejects(
        containerd.content.info(randomBlob(1).digest, { timeoutMs: 200 }),
        (error: unknown) => {
          assert.ok(error instanceof ConnectError && error.code === Code.DeadlineExceeded, String(error));
          assert.match(error.message, /containerd at .*containerd\.sock did not answer in time/);
          return true;
        },
      );
      const opening = containerd.content.openWriter({ ...randomBlob(1), timeoutMs: 200 });
      await assert.rejects(opening, /\[deadline_exceeded\] containerd at .* sent nothing for 200 ms/);
      const soon = AbortSignal.timeout(100);
      await assert.rejects(containerd.content.openWriter({ ...randomBlob(1), signal: soon }), /\[canceled\]/);
    } finally {
      process.kill(node.pid, "SIGCONT");
    }
    const { signal } = new AbortController();
    await containerd.waitReady({ timeoutMs: 10_000, signal, sleep: pause });
    await putBlob(containerd, randomBlob(1000));
  });

  void test("a containerd that hangs is given no more than its HTTP/2 window takes", async () => {
    const { containerd, node } = suite;
    const blob = randomBlob(30 * MIB);
    const writer = await openedWriter(containerd, blob);
    await freeze(node.pid);
    let written = 0;
    const writing = (async () => {
      for (let at = 0; at < blob.size; at += MIB) {
        await writer.write(blob.bytes.subarray(at, at + MIB));
        written = writer.offset;
      }
    })();
    try {
      let before: number;
      do {
        before = written;
        await sleep(200);
      } while (written !== before);
      assert.ok(written < 20 * MIB, `${written} bytes written`);
      assert.equal(writer.acknowledged, 0);
    } finally {
      process.kill(node.pid, "SIGCONT");
    }
    await writing;
    assert.equal(await writer.commit(blob), "committed");
    await writer.close();
  });

  void test("a socket that is not there is named, waiting for it ends in time or by the signal", async () => {
    const containerd = createContainerd({ socket: "/nowhere/containerd.sock", namespace: "k8s.io" });
    const gone = /\[unavailable\] cannot reach containerd at \/nowhere\/containerd\.sock.*ENOENT/;
    await assert.rejects(containerd.version(), gone);
    await assert.rejects(containerd.content.openWriter(randomBlob(1)), gone);
    assert.equal(await containerd.isAvailable(), false);
    const slept: number[] = [];
    const fakeSleep = (ms: number): Promise<void> => {
      slept.push(ms);
      return Promise.resolve();
    };
    const { signal } = new AbortController();
    await assert.rejects(containerd.waitReady({ timeoutMs: 1000, signal, sleep: fakeSleep }), gone);
    assert.ok(slept.length > 1 && slept.length <= 10, `${slept.length} pauses`);
    const soon = AbortSignal.timeout(50);
    await assert.rejects(containerd.waitReady({ timeoutMs: 60_000, signal: soon, sleep: pause }), {
      name: /AbortError|ConnectError/,
    });
    await assert.rejects(containerd.isAvailable(AbortSignal.abort(new Error("enough"))), /canceled: enough/);
  });

  void test("a closed client makes no more calls", async () => {
    const containerd = createContainerd({ socket: suite.node.socket, namespace: "k8s.io" });
    await containerd.version();
    containerd.close();
    await assert.rejects(containerd.version(), /connection to containerd at .* is closed/);
    await assert.rejects(collect(containerd.content.read(randomBlob(1).digest)), /is closed/);
  });
});
