import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { createCleanup } from "./cleanup.ts";
import { createNetwork } from "./netns.ts";
import type { NetworkNode } from "./netns.ts";
import { commandLine, startProcess } from "./processes.ts";
import { CommandError, run } from "./run.ts";
import { waitFor } from "./wait.ts";

async function curl(from: NetworkNode, url: string): Promise<string> {
  const [command, ...args] = commandLine(from.prefix, "curl", "-sS", "--max-time", "1", url);
  return (await run(command, args)).stdout;
}

async function namespaces(): Promise<string> {
  return (await run("ip", ["netns", "list"])).stdout;
}

void test("host and namespaces reach each other, unless a cable is out", async (t) => {
  const cleanup = createCleanup(t);
  const network = await createNetwork({ cleanup });
  const [a, b] = [await network.addNode("a"), await network.addNode("b")];
  const script = `require("node:http").createServer((_, r) => r.end("here")).listen(8000, "${a.ip}")`;
  const [command, ...args] = commandLine(a.prefix, process.execPath, "-e", script);
  startProcess({ name: "server", command, args, cleanup });
  const url = `http://${a.ip}:8000/`;
  assert.equal(await waitFor("the server", async () => (await fetch(url)).text()), "here");
  assert.equal(await curl(b, url), "here");
  await a.disconnect();
  await assert.rejects(curl(b, url), /timed out/);
  await a.connect();
  assert.equal(await curl(b, url), "here");
});

void test("a namespace has no way out", async (t) => {
  const network = await createNetwork({ cleanup: createCleanup(t) });
  const node = await network.addNode("a");
  await assert.rejects(curl(node, "http://192.0.2.1/"), /[Cc]ouldn't connect|Failed to connect/);
});

void test("networks of one process do not collide, and closing one leaves the other", async (t) => {
  const cleanup = createCleanup(t);
  const [one, two] = [await createNetwork({ cleanup }), await createNetwork({ cleanup })];
  const [a, b] = [await one.addNode("a"), await two.addNode("a")];
  assert.notEqual(one.hostIp, two.hostIp);
  await one.close();
  const left = await namespaces();
  assert.deepEqual([left.includes(a.netns), left.includes(b.netns)], [false, true]);
  await two.close();
});

void test("delay says whether the kernel can, and delays when it can", async (t) => {
  const network = await createNetwork({ cleanup: createCleanup(t) });
  const node = await network.addNode("a");
  const can = await network.delay(2);
  const [command, ...args] = commandLine(node.prefix, "tc", "qdisc", "show", "dev", "eth0");
  assert.equal((await run(command, args)).stdout.includes("netem"), can);
  assert.equal(await network.delay(0), true);
});

void test("a name that is no host name is refused", async (t) => {
  const network = await createNetwork({ cleanup: createCleanup(t) });
  await assert.rejects(network.addNode("Node A"), /cannot name a network node "Node A"/);
});

void test("a namespace with a process in it is removed with the process", async (t) => {
  const cleanup = createCleanup(t);
  const network = await createNetwork({ cleanup });
  const { prefix, netns } = await network.addNode("a");
  const [command, ...args] = commandLine(prefix, "sleep", "600");
  const child = startProcess({ name: "sleeper", command, args, cleanup });
  await waitFor(
    "the process to be inside",
    async () => (await run("ip", ["netns", "pids", netns])).stdout !== "",
  );
  await network.close();
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
  await assert.rejects(run("ip", ["netns", "pids", netns]), CommandError);
});
