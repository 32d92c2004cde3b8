import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startAgent } from "./agent-process.ts";
import type { AgentOptions, AgentProcess } from "./agent-process.ts";
import { createCleanup } from "./cleanup.ts";
import { startContainerd } from "./containerd-node.ts";
import { isAlive } from "./process-table.ts";
import { createNetwork } from "./netns.ts";

const program = fileURLToPath(new URL("fixtures/fake-agent.ts", import.meta.url));

async function argumentsOf(agent: AgentProcess): Promise<readonly string[]> {
  const { args }: { readonly args: readonly string[] } = JSON.parse(await (await fetch(agent.url)).text());
  return args;
}

void test("an agent runs in its own namespace with containerd's socket and root, and restarts on the same ports", async (t) => {
  const cleanup = createCleanup(t);
  const containerd = await startContainerd({ name: "node-a", cleanup });
  const network = await (await createNetwork({ cleanup })).addNode("a");
  const agent = await startAgent({ cleanup, containerd, network, program, args: ["--orphan-grace", "1s"] });
  assert.equal(agent.url, `http://${network.ip}:9090`);
  const expected = [
    `--node-name node-a --containerd-socket ${containerd.socket} --containerd-root ${containerd.root}`,
    `--bind-address ${network.ip} --grpc-port 9090 --metrics-addr ${network.ip}:8081`,
    "--insecure --insecure-bind-any",
  ].join(" ");
  assert.equal((await argumentsOf(agent)).join(" "), `${expected} --orphan-grace 1s`);
  const { pid } = agent;
  await agent.kill();
  assert.ok(!isAlive(pid));
  await agent.restart({ args: [] });
  assert.notEqual(agent.pid, pid);
  assert.equal((await argumentsOf(agent)).join(" "), expected);
});

void test("without a namespace agents get free ports of the loopback, and wait for readiness", async (t) => {
  const cleanup = createCleanup(t);
  const containerd = await startContainerd({ name: "a", cleanup });
  const options: AgentOptions = { cleanup, containerd, program, env: { FAKE_READY_AFTER_MS: "300" } };
  const [one, two] = [await startAgent(options), await startAgent({ ...options, node: "b" })];
  assert.notEqual(one.port, two.port);
  assert.equal((await fetch(`${two.metricsUrl}/readyz`)).status, 200);
  assert.equal((await argumentsOf(two))[1], "b");
});

void test("certificates are handed over by their conventional names", async (t) => {
  const cleanup = createCleanup(t);
  const containerd = await startContainerd({ name: "a", cleanup });
  const agent = await startAgent({ cleanup, containerd, program, tls: { certDir: "/certs" } });
  assert.match(agent.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const args = await argumentsOf({ ...agent, url: agent.url.replace("https:", "http:") });
  assert.equal(
    args.slice(-6).join(" "),
    "--tls-cert /certs/tls.crt --tls-key /certs/tls.key --tls-ca /certs/ca.crt",
  );
});

void test("an agent that ends at once is reported with its words", async (t) => {
  const cleanup = createCleanup(t);
  const containerd = await startContainerd({ name: "a", cleanup });
  const start = startAgent({ cleanup, containerd, program, args: ["--fail"] });
  await assert.rejects(start, /agent a did not become ready; its log:\nthis agent was told to fail/);
});
