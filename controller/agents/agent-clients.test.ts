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
}

/** Clients of the agent of node-a. */
async function setUp(t: TestContext): Promise<Case> {
  const server = http.createServer(
    connectNodeAdapter({
      routes: ({ service }) => {
        service(AgentService, { getNode: () => ({ nodeName: "node-a" }) });
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
  const clients = new AgentClients({ directory: fixedAgents(urls), tls: () => undefined });
  t.after(() => {
    clients.close();
    server.closeAllConnections();
    server.close();
  });
  return { clients, urls, open: () => sockets.size, accepted: () => accepted };
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
