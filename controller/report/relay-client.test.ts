import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { createRelayClient, type RelayClient } from "./relay-client.ts";

interface Rig {
  readonly client: RelayClient;
  readonly requests: readonly IncomingMessage[];
  readonly tokenFile: string;
  readonly answer: (status: number, body: string) => void;
  readonly pass: (milliseconds: number) => void;
}

async function setUp(t: TestContext, tokens: string): Promise<Rig> {
  const requests: IncomingMessage[] = [];
  let status = 202;
  let body = "{}";
  let now = 0;
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume();
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const directory = await mkdtemp(join(tmpdir(), "tote-relay-client-"));
  const tokenFile = join(directory, "token");
  await writeFile(tokenFile, tokens);
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const client = createRelayClient({
    url: `http://127.0.0.1:${address.port}/v1/events`,
    tokenFile,
    caFile: undefined,
    now: () => now,
  });
  t.after(async () => {
    await client.close();
    server.close();
    await rm(directory, { recursive: true });
  });
  return {
    client,
    requests,
    tokenFile,
    answer: (nextStatus, nextBody) => {
      status = nextStatus;
      body = nextBody;
    },
    pass: (milliseconds) => {
      now += milliseconds;
    },
  };
}

test("an event goes out with its id and the first of the tokens in the file", async (t) => {
  const { client, requests } = await setUp(t, "new-token\nold-token\n");
  await client.post("id-1", "{}", t.signal);
  assert.equal(requests[0]?.headers.authorization, "Bearer new-token");
  assert.equal(requests[0]?.headers["idempotency-key"], "id-1");
});

test("a renewed token is used half a minute later at most", async (t) => {
  const { client, requests, tokenFile, pass } = await setUp(t, "first\n");
  await client.post("id-1", "{}", t.signal);
  await writeFile(tokenFile, "second\nfirst\n");
  pass(30_000);
  await client.post("id-2", "{}", t.signal);
  assert.deepEqual(
    requests.map(({ headers }) => headers.authorization),
    ["Bearer first", "Bearer second"],
  );
});

test("an answer that is no success is an error that quotes it, cut, without the token", async (t) => {
  const { client, answer } = await setUp(t, "secret-token\n");
  answer(503, `disk full ${"x".repeat(1000)}`);
  await assert.rejects(client.post("id-1", "{}", t.signal), (error: Error) => {
    assert.match(error.message, /^the relay answered 503: disk full x+$/);
    assert.ok(error.message.length < 400);
    assert.doesNotMatch(error.message, /secret-token/);
    return true;
  });
});
