import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { NodeLines } from "./node-lines.ts";

/** Tasks that end when they are told to. */
function setUp(nodesAtOnce: number) {
  const lines = new NodeLines(nodesAtOnce);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  function run(node: string, name: string): Promise<string> {
    return lines.run(node, async () => {
      started.push(name);
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.set(name, resolve);
      await promise;
      return name;
    });
  }
  async function end(name: string): Promise<void> {
    ends.get(name)?.();
    await turn();
  }
  return { lines, started, run, end };
}

test("tasks of one node follow each other, those of others run meanwhile", async () => {
  const { started, run, end } = setUp(2);
  const all = Promise.all([run("a", "a1"), run("a", "a2"), run("b", "b1")]);
  assert.deepEqual(started, ["a1", "b1"]);
  await end("a1");
  assert.deepEqual(started, ["a1", "b1", "a2"]);
  await end("a2");
  await end("b1");
  assert.deepEqual(await all, ["a1", "a2", "b1"]);
});

test("nodes take turns in the order in which they came, each with all that waits for it", async () => {
  const { started, run, end } = setUp(1);
  const all = Promise.all([run("a", "a1"), run("b", "b1"), run("c", "c1"), run("b", "b2"), run("a", "a2")]);
  for (const name of ["a1", "a2", "b1", "b2", "c1"]) await end(name);
  await all;
  assert.deepEqual(started, ["a1", "a2", "b1", "b2", "c1"]);
});

test("a task that fails concerns nobody else", async () => {
  const { lines, run, end } = setUp(1);
  const failed = lines.run("a", () => Promise.reject(new Error("no answer")));
  const next = run("a", "a1");
  await assert.rejects(failed, /no answer/);
  await turn();
  await end("a1");
  assert.equal(await next, "a1");
  const later = run("a", "a2");
  await end("a2");
  assert.equal(await later, "a2");
});
