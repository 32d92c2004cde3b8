import assert from "node:assert/strict";
import http from "node:http";
import { test, type TestContext } from "node:test";

import { connectNodeAdapter } from "@connectrpc/connect-node";

import { waitFor } from "../../test/harness/wait.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { AgentClients, type AgentClient } from "./agent-clients.ts";
import { fixedAgents } from "./agent-directory.ts";

interface Case {
  readonly clients: AgentClients;
  /** where agents are, by node; a test may move them */
  readonly urls: Map<string, string>;
  /** connections that an agent has open */
  readonly open: () => number;
  /** all that it ever had */
  readonly accepted: () => number;
  /** questions that wait until they are released */
  readonly begun: () => number;
  readonly release: () => void;
}

/** Clients of the agent of node-a, which answers the question for "slow" only when it is released. */
async function setUp(
  t: TestContext,
  options: { readonly max?: number; readonly idleMs?: number } = {},
): Promise<Case> {
  const slow = Promise.withResolvers<void>();
  let begun = 0;
  const server = http.createServer(
    connectNodeAdapter({
      routes: ({ service }) => {
        service(AgentService, {
          getNode: () => ({ nodeName: "node-a" }),
          async resolveImage() {
            begun += 1;
            await slow.promise;
            return { names: ["slow"] };
          },
        });
      },
    }),
  );
  const sockets = new Set<object>();
  let accepted = 0;
  server.on("connection", (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const urls = new Map([["node-a", `http://127.0.0.1:${address.port}`]]);
  const clients = new AgentClients({ directory: fixedAgents(urls), tls: () => undefined, ...options });
  t.after(() => {
    slow.resolve();
    clients.close();
    server.closeAllConnections();
    server.close();
  });
  return {
    clients,
    urls,
    open: () => sockets.size,
    accepted: () => accepted,
    begun: () => begun,
    release: slow.resolve,
  };
}

async function ask(client: AgentClient | undefined): Promise<void> {
  assert.ok(client, "there is no client");
  assert.equal((await client.getNode({}, { timeoutMs: 10_000 })).nodeName, "node-a");
}

test("calls of one agent share a connection", async (t) => {
  const { clients, accepted } = await setUp(t);
  const client = clients.get("node-a");
  await ask(client);
  await ask(clients.get("node-a"));
  assert.equal(clients.get("node-a"), client);
  assert.equal(accepted(), 1);
});

test("a node without an agent has no client", async (t) => {
  const { clients } = await setUp(t);
  assert.equal(clients.get("node-b"), undefined);
  assert.equal(clients.size, 0);
});

test("an agent that moves is called where it is now, and its old connection ends", async (t) => {
  const { clients, urls, open } = await setUp(t);
  const before = clients.get("node-a");
  await ask(before);
  urls.set("node-a", "http://127.0.0.1:1");
  assert.notEqual(clients.get("node-a"), before);
  assert.equal(clients.size, 1);
  await waitFor("the end of the old connection", () => open() === 0);
});

test("an agent that is gone leaves no client and no connection behind", async (t) => {
  const { clients, urls, open } = await setUp(t);
  await ask(clients.get("node-a"));
  clients.prune();
  assert.equal(clients.size, 1, "one that is still there was dropped");
  urls.delete("node-a");
  clients.prune();
  assert.equal(clients.size, 0);
  await waitFor("the end of its connection", () => open() === 0);
});

test("after new certificates calls go over new connections, while those under way go on", async (t) => {
  const { clients, accepted } = await setUp(t);
  const before = clients.get("node-a");
  await ask(before);
  clients.renew();
  const after = clients.get("node-a");
  assert.notEqual(after, before);
  await ask(after);
  assert.equal(accepted(), 2);
  await ask(before);
});

test("closing ends every connection", async (t) => {
  const { clients, open } = await setUp(t);
  await ask(clients.get("node-a"));
  clients.close();
  await waitFor("the end of all connections", () => open() === 0);
});

test("past the bound the client that was wanted longest ago goes, with its connection", async (t) => {
  const { clients, urls, open } = await setUp(t, { max: 2 });
  const [url = ""] = urls.values();
  for (const node of ["node-b", "node-c"]) urls.set(node, url);
  await ask(clients.get("node-a"));
  const second = clients.get("node-b");
  await ask(second);
  const first = clients.get("node-a");
  await ask(clients.get("node-c"));
  assert.equal(clients.size, 2);
  assert.equal(clients.get("node-a"), first, "node-a was wanted after node-b");
  await waitFor("the end of the connection to node-b", () => open() === 2);
  assert.notEqual(clients.get("node-b"), second);
});

test("a client with a call under way does not go, and the call comes to its end", async (t) => {
  const { clients, urls, begun, release } = await setUp(t, { max: 1 });
  const [url = ""] = urls.values();
  urls.set("node-b", url);
  const client = clients.get("node-a");
  assert.ok(client);
  const question = client.resolveImage({ reference: "slow" }, { timeoutMs: 10_000 });
  await waitFor("the question to arrive", () => begun() === 1);
  await ask(clients.get("node-b"));
  assert.equal(clients.size, 2, "the bound gives way to calls");
  assert.equal(clients.get("node-a"), client);
  release();
  assert.deepEqual((await question).names, ["slow"]);
});

test("a connection that is not used for a while is closed, one that waits for its answer is not", async (t) => {
  const { clients, open, begun, release, accepted } = await setUp(t, { idleMs: 50 });
  const client = clients.get("node-a");
  assert.ok(client);
  const question = client.resolveImage({ reference: "slow" }, { timeoutMs: 10_000 });
  await waitFor("the question to arrive", () => begun() === 1);
  await ask(client);
  await waitFor("the end of the idle connection", () => open() === 1);
  release();
  assert.deepEqual((await question).names, ["slow"]);
  await waitFor("the end of both connections", () => open() === 0);
  await ask(client);
  assert.equal(accepted(), 3);
});
