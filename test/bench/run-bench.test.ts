import assert from "node:assert/strict";
import { test } from "node:test";

import { defineFlags } from "../../lib/flags.ts";
import { runBench } from "./run-bench.ts";

/** Runs a bench that answers so, and tells its exit code and what it wrote. */
async function run(bars: () => readonly { readonly met: boolean }[], argv: readonly string[] = []) {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const flags = defineFlags({ quick: { kind: "boolean", help: "fewer" } });
  const bench = { name: "test", about: "About.", flags, run: async () => await Promise.resolve(bars()) };
  const code = await runBench(bench, argv, { stdout: stream, stderr: stream });
  return { code, text: written.join("") };
}

test("a bench whose bars are all met ends with 0", async () => {
  assert.equal((await run(() => [{ met: true }, { met: true }])).code, 0);
});

test("a missed bar ends it with 1, and is said at the end", async () => {
  const { code, text } = await run(() => [{ met: true }, { met: false }, { met: false }]);
  assert.equal(code, 1);
  assert.equal(text, "bench: 2 of 3 bars missed\n");
});

test("a bench that fails ends with 1, a wrong flag with 2", async () => {
  const failed = await run(() => {
    throw new Error("the disk is full");
  });
  assert.deepEqual([failed.code, failed.text], [1, "\nbench failed: the disk is full\n"]);
  assert.equal((await run(() => [], ["--slow"])).code, 2);
});
