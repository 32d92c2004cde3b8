import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { createCleanup } from "./cleanup.ts";
import { isAlive } from "./process-table.ts";
import { startProcess } from "./processes.ts";
import { CommandError, run } from "./run.ts";
import { waitFor } from "./wait.ts";

function node(script: string): { readonly command: string; readonly args: readonly string[] } {
  return { command: process.execPath, args: ["-e", script] };
}

function notThere(): never {
  throw new Error("not there");
}

void test("logs keep the last lines of stdout and stderr", async (t) => {
  const script = "for (let i = 0; i < 10; i++) console.log('line ' + i); console.error('oops')";
  const child = startProcess({ name: "talker", ...node(script), logLines: 3, cleanup: createCleanup(t) });
  assert.deepEqual(await child.exited, { code: 0, signal: null });
  assert.equal(child.logs().split("\n").length, 3);
  assert.match(child.logs(), /line 9/);
  assert.match(child.logs(), /oops/);
});

void test("all of the output of several processes is added to a file", async (t) => {
  const cleanup = createCleanup(t);
  const logFile = join(cleanup.directory(), "logs", "talker.log");
  for (const word of ["first", "second"]) {
    const script = `for (let i = 0; i < 10; i++) console.log('${word} ' + i); console.error('oops')`;
    const child = startProcess({ name: "talker", ...node(script), logLines: 3, logFile, cleanup });
    await child.exited;
  }
  const lines = readFileSync(logFile, "utf8").trim().split("\n");
  assert.equal(lines.length, 22);
  for (const line of ["first 0", "second 9", "oops"]) assert.ok(lines.includes(line), line);
});

void test("a process that ignores SIGTERM is killed after the grace time", async (t) => {
  const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')";
  const child = startProcess({ name: "stubborn", ...node(script), cleanup: createCleanup(t) });
  await waitFor("the process to listen", () => child.logs().includes("up"));
  await child.stop(100);
  assert.deepEqual(child.status(), { code: null, signal: "SIGKILL" });
});

void test("a stopped (SIGSTOP) process still ends by SIGTERM", async (t) => {
  const child = startProcess({
    name: "frozen",
    ...node("setInterval(() => {}, 1000)"),
    cleanup: createCleanup(t),
  });
  await child.kill("SIGSTOP");
  assert.equal(child.status(), undefined);
  await child.stop(10_000);
  assert.deepEqual(child.status(), { code: null, signal: "SIGTERM" });
});

void test("the cleanup ends what still runs", async () => {
  const cleanup = createCleanup();
  const child = startProcess({ name: "sleeper", ...node("setInterval(() => {}, 1000)"), cleanup });
  assert.ok(isAlive(child.pid));
  await cleanup.run();
  assert.ok(!isAlive(child.pid));
});

void test("a program that does not exist is named", (t) => {
  const options = { name: "ghost", command: "/nonexistent/program", args: [], cleanup: createCleanup(t) };
  assert.throws(() => startProcess(options), /cannot start ghost: "\/nonexistent\/program"/);
});

void test("run returns output and feeds stdin", async () => {
  const { stdout } = await run("cat", [], { input: "through\n" });
  assert.equal(stdout, "through\n");
});

void test("run fails with exit code, command and words of the program", async () => {
  const { command, args } = node("console.error('bad luck'); process.exit(4)");
  await assert.rejects(run(command, args), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.code, 4);
    assert.match(error.message, /exited with code 4: bad luck/);
    return true;
  });
});

void test("run says that a command could not be started, and leaves no timer behind", async () => {
  const started = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  await assert.rejects(
    run("/nonexistent/program", ["-x"]),
    /"\/nonexistent\/program -x" failed: spawn .* ENOENT/,
  );
  assert.equal(process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length, started);
});

void test("run ends a command that takes too long, or whose signal is aborted", async () => {
  const { command, args } = node("setInterval(() => {}, 1000)");
  await assert.rejects(run(command, args, { timeoutMs: 200 }), /was ended by SIGKILL/);
  await assert.rejects(run(command, args, { signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
});

void test("waiting in vain says for what, how long and why the last check failed", async () => {
  await assert.rejects(waitFor("the moon", notThere, { timeoutMs: 30, intervalMs: 5 }), (error) => {
    assert.ok(error instanceof Error && error.cause instanceof Error);
    assert.equal(error.message, "waited 30 ms in vain for the moon");
    assert.equal(error.cause.message, "not there");
    return true;
  });
});
