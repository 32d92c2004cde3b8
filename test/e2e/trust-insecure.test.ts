import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { readMetric } from "../harness/agent-metrics.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess } from "../harness/processes.ts";
import { CommandError, run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";

const AGENT = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

describe("an agent without TLS", () => {
  const refused: readonly (readonly [what: string, args: readonly string[], words: RegExp])[] = [
    ["listens on loopback only", ["--insecure", "--bind-address", "0.0.0.0"], /0\.0\.0\.0 is not loopback/],
    ["is not what forgotten flags mean", [], /--tls-cert, --tls-key and --tls-ca: all three are required/],
  ];
  for (const [what, args, words] of refused) {
    test(`${what}: exit code 2 and one line`, async () => {
      const started = run(process.execPath, [AGENT, "--node-name", "n", ...args], { timeoutMs: 20_000 });
      await assert.rejects(started, (error) => {
        assert.ok(error instanceof CommandError, String(error));
        assert.equal(error.code, 2, error.message);
        assert.equal(error.stdout, "");
        assert.match(error.stderr, words);
        assert.match(error.stderr, /^tote agent: .+\n$/, "one line");
        return true;
      });
    });
  }

  test("certificate files that cannot be used end the start with exit code 1 and one line that names the file", async () => {
    const files = ["--tls-cert", "/x/tls.crt", "--tls-key", "/x/tls.key", "--tls-ca", "/x/ca.crt"];
    const started = run(process.execPath, [AGENT, "--node-name", "n", ...files], { timeoutMs: 20_000 });
    await assert.rejects(started, (error) => {
      assert.ok(error instanceof CommandError, String(error));
      assert.equal(error.code, 1, error.message);
      assert.match(
        error.stderr,
        /^tote agent: cannot read [^\n]+ \/x\/[a-z.]+: there is no such file[^\n]*\n$/,
      );
      return true;
    });
  });

  test("says so in a warning and a gauge, and serves whoever comes by loopback", async (t) => {
    const cleanup = createCleanup(t);
    const [port = 0, metricsPort = 0] = await freePorts(2);
    const metricsUrl = `http://127.0.0.1:${metricsPort}`;
    const ports = ["--grpc-port", String(port), "--metrics-addr", `127.0.0.1:${metricsPort}`];
    const agent = startProcess({
      name: "insecure agent",
      command: process.execPath,
      args: [AGENT, "--node-name", "n", "--insecure", "--containerd-socket", "/x/containerd.sock", ...ports],
      cleanup,
    });
    await waitFor("metrics", async () => (await readMetric({ metricsUrl }, "tote_agent_insecure")) === 1);
    await waitFor("a warning", () => /"level":"warn".*INSECURE: no TLS and no grants/.test(agent.logs()));
    const answer = await fetch(`http://127.0.0.1:${port}/tote.agent.v1.AgentService/ListImages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /^\{"code":"unavailable","message":"[^"]*\/x\/containerd\.sock/);
  });
});
