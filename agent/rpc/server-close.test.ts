import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { describe, it } from "node:test";

import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { eventually, type FakeAgent, pause, rejection, startFakeAgent } from "./fake-agent.ts";

const VERSIONS = ["1.1", "2"] as const;

function connect(fake: FakeAgent, httpVersion: "1.1" | "2") {
  const sessions = new Http2SessionManager(fake.url);
  const transport =
    httpVersion === "2"
      ? createConnectTransport({ baseUrl: fake.url, httpVersion, sessionManager: sessions })
      : createConnectTransport({ baseUrl: fake.url, httpVersion });
  return { client: createClient(AgentService, transport), disconnect: () => sessions.abort() };
}

describe("closing the rpc server", () => {
  for (const version of VERSIONS) {
    it(`lets a running stream finish over HTTP/${version}`, async () => {
      const fake = await startFakeAgent();
      const { client } = connect(fake, version);
      const stream = client.exportBlob({ digest: "slow", offset: 15n })[Symbol.asyncIterator]();
      await stream.next();
      const closed = fake.server.close({ graceMs: 5_000 });
      let received = 0;
      for (let item = await stream.next(); item.done !== true; item = await stream.next()) received += 1;
      assert.equal(received, 15);
      const started = performance.now();
      await closed;
      assert.ok(performance.now() - started < 4_000, "closes as soon as the stream is done");
      assert.deepEqual(fake.events, ["exportBlob done", "exportBlob finally"]);
    });

    it(`aborts what runs longer than the grace over HTTP/${version}`, async () => {
      const fake = await startFakeAgent();
      const { client } = connect(fake, version);
      const stream = client.exportBlob({ digest: "silent" })[Symbol.asyncIterator]();
      await stream.next();
      const started = performance.now();
      const closed = fake.server.close({ graceMs: 200 });
      const failure = await rejection(() => stream.next());
      assert.equal(failure.code, Code.Unavailable);
      assert.equal(failure.rawMessage, "the agent is shutting down");
      await closed;
      const took = performance.now() - started;
      assert.ok(took >= 190 && took < 10_000, `took ${took} ms`);
      assert.deepEqual(fake.events, ["exportBlob finally"]);
      assert.equal(fake.server.connections(), 0);
    });

    it(`destroys a connection whose client reads nothing over HTTP/${version}`, async () => {
      const fake = await startFakeAgent();
      const socket = net.connect(fake.server.port, "127.0.0.1");
      if (version === "1.1") {
        const body = '\0\0\0\0\x14{"digest":"endless"}';
        socket.write(
          `POST /tote.agent.v1.AgentService/ExportBlob HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
      } else {
        const session = http2.connect(fake.url, { createConnection: () => socket });
        session.on("error", () => undefined);
        const request = session.request({
          ":method": "POST",
          ":path": "/tote.agent.v1.AgentService/ExportBlob",
          "content-type": "application/connect+json",
        });
        request.on("error", () => undefined);
        request.end('\0\0\0\0\x14{"digest":"endless"}');
      }
      socket.on("error", () => undefined);
      await pause(100);
      socket.pause();
      await fake.server.close({ graceMs: 50 });
      assert.equal(fake.server.connections(), 0);
      await eventually(() => fake.events[0] === "exportBlob finally", "the handler has ended");
      socket.destroy();
    });
  }

  it("refuses new connections and new requests at once", async () => {
    const fake = await startFakeAgent();
    const { client, disconnect } = connect(fake, "2");
    const stream = client.exportBlob({ digest: "slow", offset: 10n })[Symbol.asyncIterator]();
    await stream.next();
    const closed = fake.server.close({ graceMs: 5_000 });
    await pause(20);
    const other = connect(fake, "1.1");
    assert.equal((await rejection(() => other.client.getNode({}))).code, Code.Unavailable);
    for (let item = await stream.next(); item.done !== true; item = await stream.next());
    await closed;
    disconnect();
  });

  it("answers a request that comes on a busy connection, and asks its client to come no more", async () => {
    const fake = await startFakeAgent();
    const socket = net.connect(fake.server.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    const body = '\0\0\0\0\x1e{"digest":"slow","offset":"5"}';
    socket.write(
      `POST /tote.agent.v1.AgentService/ExportBlob HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(() => fake.produced() > 0, "the stream has begun");
    const closed = fake.server.close({ graceMs: 5_000 });
    socket.write("GET /late HTTP/1.1\r\nhost: x\r\n\r\n");
    await closed;
    const [, late = ""] = Buffer.concat(chunks).toString().split("HTTP/1.1 404");
    assert.match(late, /connection: close\r\n[^]*nothing at \/late/);
    assert.deepEqual(fake.events, ["exportBlob done", "exportBlob finally"]);
  });

  it("closes idle, silent and undecided connections without waiting for the grace", async () => {
    const fake = await startFakeAgent();
    const keepAlive = new http.Agent({ keepAlive: true });
    await new Promise<void>((resolve) => {
      http.get(`${fake.url}/`, { agent: keepAlive }, (response) => response.resume().on("end", resolve));
    });
    const { client } = connect(fake, "2");
    await client.getNode({});
    const silent = net.connect(fake.server.port, "127.0.0.1");
    const undecided = net.connect(fake.server.port, "127.0.0.1");
    undecided.write("PRI * HT");
    await eventually(() => fake.server.connections() === 4, "four connections open");
    const started = performance.now();
    await fake.server.close({ graceMs: 10_000 });
    assert.ok(performance.now() - started < 8_000, "waited for the grace, although nothing ran");
    assert.equal(fake.server.connections(), 0);
    keepAlive.destroy();
    silent.destroy();
    undecided.destroy();
  });

  it("closes once, however often it is asked to", async () => {
    const fake = await startFakeAgent();
    await Promise.all([fake.server.close({ graceMs: 10 }), fake.server.close({ graceMs: 10 }), fake.close()]);
    assert.equal(fake.server.connections(), 0);
  });

  it("ends every call at once when the shutdown signal fires", async () => {
    const fake = await startFakeAgent();
    const { client } = connect(fake, "1.1");
    const stream = client.exportBlob({ digest: "silent" })[Symbol.asyncIterator]();
    await stream.next();
    fake.shutdown.abort(new Error("lost containerd"));
    await rejection(() => stream.next());
    await fake.close();
  });

  it("says that a port is taken", async () => {
    const fake = await startFakeAgent();
    await assert.rejects(
      startFakeAgent({ port: fake.server.port }),
      /^Error: cannot serve RPC on 127\.0\.0\.1:\d+: another process listens there, choose another --grpc-port$/,
    );
    await fake.close();
  });
});
