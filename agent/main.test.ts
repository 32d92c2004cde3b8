import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startHealthServer } from "../lib/health-server.ts";
import { createCleanup } from "../test/harness/cleanup.ts";
import { freePorts } from "../test/harness/ports.ts";
import { CommandError, run } from "../test/harness/run.ts";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));
const TSX = join(REPOSITORY, "node_modules/.bin/tsx");
/** more than any start takes: an agent that hangs is killed then */
const TIMEOUT_MS = 60_000;

void suite("the agent's program", () => {
  void test("it ends with exit code 1 and one line that names the flag when it cannot have a port", async (t) => {
    const cleanup = createCleanup(t);
    const taken = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      registry: { contentType: "text/plain", metrics: async () => "" },
      readiness: () => ({ ready: true, reason: "" }),
    });
    cleanup.add({ name: "give the port back", undo: () => taken.close() });
    const [free = 0] = await freePorts(1);
    for (const { grpc, metrics, serves, flag } of [
      { grpc: taken.port, metrics: free, serves: "RPC", flag: "--grpc-port" },
      { grpc: free, metrics: taken.port, serves: "metrics and health", flag: "--metrics-addr" },
    ]) {
      const ports = ["--grpc-port", String(grpc), "--metrics-addr", `127.0.0.1:${metrics}`];
      const agent = ["agent/main.ts", "--node-name", "n", "--insecure", "--containerd-socket", "/x/c.sock"];
      const started = run(process.execPath, [...agent, ...ports], {
        cwd: REPOSITORY,
        timeoutMs: TIMEOUT_MS,
      });
      await assert.rejects(started, (error) => {
        assert.ok(error instanceof CommandError, String(error));
        assert.equal(error.code, 1, error.message);
        const start = `tote agent: cannot serve ${serves} on ${taken.address}: another process listens there, choose another ${flag}`;
        assert.equal(error.stderr.slice(0, start.length), start);
        assert.equal(error.stderr.trim().split("\n").length, 1, error.stderr);
        return true;
      });
    }
  });

  void test("it runs from a folder that is a symbolic link, under node and tsx", async (t) => {
    const link = join(createCleanup(t).directory(), "release");
    await symlink(REPOSITORY, link);
    for (const runtime of [process.execPath, TSX]) {
      const { stdout } = await run(runtime, [join(link, "agent/main.ts"), "--help"], {
        timeoutMs: TIMEOUT_MS,
      });
      assert.match(stdout, /^usage: tote agent /, `by ${runtime}`);
    }
  });
});
