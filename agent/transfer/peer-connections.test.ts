import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, it } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import { collect, createTestPki, eventually, type FakeAgent, startFakeAgent } from "../rpc/fake-agent.ts";
import { openBlobStream } from "./blob-stream.ts";
import { BufferPool } from "./buffer-pool.ts";
import { agentDialOptions, PeerConnections } from "./peer-connections.ts";

const buffers = new BufferPool({ minBytes: 1, maxBytes: 2_000_000, keep: 4 });

/** A whole answer: the size 3, and the end. */
const answer = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\ncontent-length: 14\r\n\r\n" +
    "\0\0\0\0\x02\x10\x03" +
    "\x02\0\0\0\x02{}",
  "latin1",
);

function read(connections: PeerConnections, endpoint: string, digest = "count") {
  const { signal } = new AbortController();
  const request = { endpoint, digest, offset: 3, imageDigest: "", grant: "", signal };
  return openBlobStream({ ...request, connections, buffers, connectTimeoutMs: 500, idleTimeoutMs: 5_000 });
}

describe("connections to other agents", () => {
  let source: FakeAgent;
  let connections: PeerConnections;
  before(async () => {
    const pki = await createTestPki();
    source = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    const material = await pki.issue(ROLES.agent);
    connections = new PeerConnections(agentDialOptions(() => material));
  });
  after(async () => {
    connections.close();
    await source.close();
  });

  it("are closed when the stream was left in the middle", async () => {
    const stream = read(connections, source.url, "endless");
    await stream.next();
    await stream.return();
    await eventually(() => source.server.connections() === 0, "it is closed");
  });

  for (const [what, onSecond] of [
    ["closes them at the very moment that they are used again", (socket: net.Socket) => socket.destroy()],
    ["is no longer there", () => undefined],
  ] as const) {
    it(`give way to new ones when the other side ${what}`, async () => {
      const sockets: net.Socket[] = [];
      const server = net.createServer((socket) => {
        sockets.push(socket);
        socket.once("data", () => {
          socket.write(answer);
          if (sockets.length === 1) socket.once("data", () => onSecond(socket));
        });
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const plain = new PeerConnections(() => undefined);
      const url = `http://127.0.0.1:${address.port}`;
      assert.deepEqual(await collect(read(plain, url)), [{ size: 3 }]);
      assert.deepEqual(await collect(read(plain, url)), [{ size: 3 }]);
      assert.equal(sockets.length, 2);
      plain.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  }

  const size = "\0\0\0\0\x02\x10\x03";
  const end = "\x02\0\0\0\x02{}";
  const failure = '{"error":{"code":"not_found"}}';
  for (const [what, isKept, head, body] of [
    ["a whole answer", true, "content-length: 14", size + end],
    [
      "a whole answer in chunks",
      true,
      "transfer-encoding: chunked",
      `7\r\n${size}\r\n7\r\n${end}\r\n0\r\n\r\n`,
    ],
    ["an error at the end of the stream", false, "content-length: 42", `${size}\x02\0\0\0\x1e${failure}`],
    ["an answer without the end of the stream", false, "content-length: 7", size],
    [
      "an answer that the other side closes after",
      false,
      "connection: close\r\ncontent-length: 14",
      size + end,
    ],
    ["an answer with more bytes behind it", false, "content-length: 14", `${size}${end}x`],
    ["an answer that is cut off", false, "content-length: 14", size],
    ["an answer of another type", false, "content-type: text/plain\r\ncontent-length: 14", size + end],
  ] as const) {
    it(`are ${isKept ? "used again" : "not used again"} after ${what}`, async () => {
      let dialled = 0;
      const server = net.createServer((socket) => {
        dialled += 1;
        socket.on("error", () => undefined);
        const type = head.includes("content-type") ? "" : "content-type: application/connect+proto\r\n";
        const isCut = what === "an answer that is cut off";
        socket.on("data", () => {
          socket.write(Buffer.from(`HTTP/1.1 200 OK\r\n${type}${head}\r\n\r\n${body}`, "latin1"));
          if (isCut) socket.end();
        });
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const plain = new PeerConnections(() => undefined);
      for (let round = 0; round < 2; round += 1) {
        // whether it fails is told elsewhere
        await collect(read(plain, `http://127.0.0.1:${address.port}`)).catch(() => undefined);
      }
      assert.equal(dialled, isKept ? 1 : 2);
      plain.close();
      server.close();
    });
  }

  it("reuse the memory of a message once the next one is asked for, not before", async () => {
    const held: Uint8Array[] = [];
    const { signal } = new AbortController();
    const one = new BufferPool({ minBytes: 1, maxBytes: 2_000_000, keep: 1 });
    const request = { endpoint: source.url, digest: "large", offset: 8, imageDigest: "", grant: "", signal };
    for await (const message of openBlobStream({ ...request, connections, buffers: one })) {
      if (!("data" in message)) continue;
      held.push(message.data);
      assert.deepEqual([...new Set(message.data)], [held.length - 1]);
    }
    assert.equal(held.length, 8);
    assert.ok(new Set(held.map(({ buffer }) => buffer)).size < 8, "all messages had memory of their own");
  });
});
