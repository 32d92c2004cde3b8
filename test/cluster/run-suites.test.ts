import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { isAlive } from "../harness/process-table.ts";
import { waitFor } from "../harness/wait.ts";
import { resultLines, runSuites, type RunOptions } from "./run-suites.ts";
import type { Suite } from "./suites.ts";

const FAILS = 'test("fails", () => { throw new Error("no"); });';
const PASSES = 'test("passes", () => {});';
/** takes no SIGTERM, has a child that takes none either, and never ends */
const STAYS = `
  process.on("SIGTERM", () => {});
  const child = spawn("sh", ["-c", "trap '' TERM; sleep 600 & wait; wait"], { stdio: "ignore" });
  writeFileSync(process.argv[1] + ".pid", String(child.pid));
  test("stays", () => {});
`;

/** A suite of one file, and where it writes which process it has started. */
function suiteOf(cleanup: Cleanup, name: string, code: string): Suite & { readonly pidFile: string } {
  const file = join(cleanup.directory(), `${name}.test.mjs`);
  const imports = [
    'import { spawn } from "node:child_process";',
    'import { existsSync, writeFileSync } from "node:fs";',
    'import { test } from "node:test";',
  ];
  writeFileSync(file, `${imports.join("\n")}\n${code}`);
  return { name, files: [file], pidFile: `${file}.pid` };
}

function optionsOf(more: Partial<RunOptions> = {}): RunOptions {
  const { signal } = new AbortController();
  return { say: () => undefined, stop: signal, kill: signal, isQuiet: true, ...more };
}

async function waitForEnd(pidFile: string): Promise<void> {
  const pid = Number(readFileSync(pidFile, "utf8"));
  await waitFor("the end of what the suite has started", () => !isAlive(pid), { timeoutMs: 10_000 });
}

test("every suite runs, whatever became of the one before", async (t) => {
  const cleanup = createCleanup(t);
  const suites = [suiteOf(cleanup, "bad", FAILS), suiteOf(cleanup, "good", PASSES)];
  const results = await runSuites(suites, optionsOf());
  assert.deepEqual(
    results.map(({ name, outcome }) => [name, outcome]),
    [
      ["bad", "failed"],
      ["good", "passed"],
    ],
  );
  const lines = resultLines([{ name: "bad", outcome: "failed", seconds: 61.4 }]);
  assert.deepEqual(lines, ["failed  bad    61 s"]);
});

test("suites that leave the cluster alone run while another one waits", async (t) => {
  const cleanup = createCleanup(t);
  const file = join(cleanup.directory(), "met");
  const waits = `test("waits", async () => {
    while (!existsSync(${JSON.stringify(file)})) await new Promise((resolve) => setTimeout(resolve, 20));
  });`;
  const meets = `test("meets", () => writeFileSync(${JSON.stringify(file)}, ""));`;
  const suites = [suiteOf(cleanup, "collection", waits), suiteOf(cleanup, "control", meets)];
  const results = await runSuites(suites, optionsOf({ limitMs: 30_000, graceMs: 300 }));
  assert.deepEqual(
    results.map(({ name, outcome }) => [name, outcome]),
    [
      ["collection", "passed"],
      ["control", "passed"],
    ],
  );
});

test("a suite that does not end is ended with all that it has started, and the next one runs", async (t) => {
  const cleanup = createCleanup(t);
  const stays = suiteOf(cleanup, "stays", STAYS);
  const limits = { limitMs: 4000, graceMs: 300 };
  const results = await runSuites([stays, suiteOf(cleanup, "good", PASSES)], optionsOf(limits));
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ["overdue", "passed"],
  );
  await waitForEnd(stays.pidFile);
});

for (const [how, graceMs] of [
  ["after its grace", 300],
  ["at a second signal", 600_000],
] as const) {
  test(`what does not end when asked is killed ${how}`, async (t) => {
    const cleanup = createCleanup(t);
    const stays = suiteOf(cleanup, "stays", STAYS);
    const [stop, kill] = [new AbortController(), new AbortController()];
    const running = runSuites([stays, suiteOf(cleanup, "good", PASSES)], {
      ...optionsOf({ graceMs }),
      stop: stop.signal,
      kill: kill.signal,
    });
    await waitFor("the suite to run", () => existsSync(stays.pidFile));
    stop.abort();
    if (graceMs > 1000) kill.abort();
    assert.deepEqual(await running, [], "it was not run to its end, and the next one not at all");
    await waitForEnd(stays.pidFile);
  });
}
