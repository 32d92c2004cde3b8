import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createCleanup, type TestLike } from "../harness/cleanup.ts";
import { isAlive } from "../harness/process-table.ts";
import { waitFor } from "../harness/wait.ts";
import { clusterLayout, type ClusterLayout } from "./layout.ts";
import {
  isSameProcess,
  killAllRecorded,
  logTail,
  readRecord,
  recordedNames,
  startRecorded,
  stopRecorded,
} from "./recorded-process.ts";

function layoutOf(context: TestLike): ClusterLayout {
  const cleanup = createCleanup(context);
  const directory = cleanup.directory();
  const layout = { ...clusterLayout(join(directory, "data")), state: join(directory, "state") };
  cleanup.add({ name: "end what runs", undo: () => Promise.resolve(killAllRecorded(layout)) });
  return layout;
}

test("a process is found again by its name, with what it printed, and ended", async (t) => {
  const layout = layoutOf(t);
  const { pid } = startRecorded({ layout, name: "one", command: ["sh", "-c", "echo here; exec sleep 1000"] });
  assert.equal(readRecord(layout, "one")?.pid, pid);
  await waitFor("its output", () => logTail(layout, "one") === "here\n");
  assert.throws(
    () => startRecorded({ layout, name: "one", command: ["sleep", "1"] }),
    new RegExp(`it runs as process ${pid}`),
  );
  await stopRecorded(layout, "one");
  assert.equal(isAlive(pid), false);
  assert.deepEqual(recordedNames(layout), []);
});

test("a process that takes no SIGTERM is killed when its time is up", async (t) => {
  const layout = layoutOf(t);
  const script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
  const { pid } = startRecorded({ layout, name: "deaf", command: ["sh", "-c", script] });
  await waitFor("the trap", () => logTail(layout, "deaf") === "ready\n");
  await stopRecorded(layout, "deaf", 200);
  assert.equal(isAlive(pid), false);
});

test("another process that has got the id is left alone", async (t) => {
  const layout = layoutOf(t);
  const record = startRecorded({ layout, name: "real", command: ["sleep", "1000"] });
  mkdirSync(join(layout.state, "processes"), { recursive: true });
  const stale = { pid: record.pid, startTime: String(Number(record.startTime) - 1) };
  writeFileSync(join(layout.state, "processes", "old.json"), JSON.stringify(stale));
  assert.equal(isSameProcess(stale), false);
  assert.equal(readRecord(layout, "old"), undefined);
  await stopRecorded(layout, "old");
  assert.equal(readRecord(layout, "real")?.pid, record.pid);
});

test("a program that is missing is told of, and leaves no record", (t) => {
  const layout = layoutOf(t);
  assert.throws(
    () => startRecorded({ layout, name: "none", command: ["/nonexistent/program"] }),
    /cannot start none: "\/nonexistent\/program" is missing/,
  );
  assert.deepEqual(recordedNames(layout), []);
});
