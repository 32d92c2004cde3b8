import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createCleanup } from "./cleanup.ts";
import type { TestLike } from "./cleanup.ts";
import { containerdProgramNames } from "./leftovers.ts";
import { findProcesses, isAlive } from "./process-table.ts";
import { createNetwork } from "./netns.ts";
import { startProcess } from "./processes.ts";
import type { RunningProcess } from "./processes.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";

const holdNode = fileURLToPath(new URL("fixtures/hold-node.ts", import.meta.url));

/** What fixtures/hold-node.ts says. */
interface Held {
  readonly directory: string;
  readonly netns: string;
  readonly pid: number;
  readonly shimSocket: string;
}

async function hold(t: TestLike): Promise<{ readonly holder: RunningProcess; readonly held: Held }> {
  const holder = startProcess({
    name: "holder",
    command: process.execPath,
    args: [holdNode],
    cleanup: createCleanup(t),
  });
  const line = await waitFor(
    "the holder",
    () =>
      holder
        .logs()
        .split("\n")
        .find((text) => text.startsWith("{")),
    {
      timeoutMs: 30_000,
    },
  );
  const held: Held = JSON.parse(line);
  return { holder, held };
}

async function assertNothingLeft({ directory, netns, pid, shimSocket }: Held): Promise<void> {
  assert.ok(!existsSync(directory), `${directory} is still there`);
  assert.ok(!readFileSync("/proc/self/mounts", "utf8").includes(directory), "mounts are left");
  assert.ok(!isAlive(pid), "containerd still runs");
  assert.deepEqual(findProcesses(directory, containerdProgramNames), []);
  assert.ok(!existsSync(shimSocket), `${shimSocket} is still there`);
  const namespaces = await run("ip", ["netns", "list"]);
  assert.ok(!namespaces.stdout.includes(netns), `${netns} is still there`);
}

void test("steps are undone in reverse order, all of them even when one fails", async () => {
  const cleanup = createCleanup();
  const undone: string[] = [];
  for (const name of ["first", "second", "third"]) {
    cleanup.add({
      name,
      undo: () => {
        undone.push(name);
        return name === "second" ? Promise.reject(new Error("stuck")) : Promise.resolve();
      },
    });
  }
  await assert.rejects(cleanup.run(), /could not second: Error: stuck/);
  assert.deepEqual(undone, ["third", "second", "first"]);
});

void test("the directory outlives every step and is gone in the end", async () => {
  const cleanup = createCleanup();
  let seen = false;
  let directory = "";
  cleanup.add({
    name: "look",
    undo: () => {
      seen = existsSync(directory);
      return Promise.resolve();
    },
  });
  directory = cleanup.directory();
  await cleanup.run();
  assert.deepEqual([seen, existsSync(directory)], [true, false]);
});

void test("the log of a process is printed when the test failed, and only then", async () => {
  for (const passed of [true, false]) {
    const lines: string[] = [];
    const ends: (() => Promise<void>)[] = [];
    const cleanup = createCleanup({
      passed,
      after: (fn) => void ends.push(fn),
      diagnostic: (line) => lines.push(line),
    });
    cleanup.add({ name: "stop it", undo: () => Promise.resolve(), logs: () => "last words" });
    for (const end of ends) await end();
    assert.equal(lines.includes("last words"), !passed);
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  void test(`a run ended by ${signal} leaves no process, mount, directory or namespace`, async (t) => {
    const { holder, held } = await hold(t);
    await holder.kill(signal);
    await assertNothingLeft(held);
  });
}

void test("what a killed run left behind is removed by the next one", async (t) => {
  const { holder, held } = await hold(t);
  await holder.kill("SIGKILL");
  assert.ok(isAlive(held.pid), "containerd outlives the run that was killed");
  const cleanup = createCleanup(t);
  cleanup.directory();
  await createNetwork({ cleanup });
  await assertNothingLeft(held);
});
