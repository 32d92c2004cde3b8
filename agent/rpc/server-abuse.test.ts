import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";

import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { collect, eventually, type FakeAgent, pause, rejection, startFakeAgent } from "./fake-agent.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const GET = "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/** Refuses a call without looking at its messages, as the check of roles does. */
const refuseUnread: Interceptor = (next) => (req) => {
  if (!req.header.has("x-refuse")) return next(req);
  throw new ConnectError("not you", Code.PermissionDenied);
};

describe("the rpc port under clients that misbehave", () => {
  let fake: FakeAgent;

  beforeEach(async () => {
    fake = await startFakeAgent({
      limits: {
        sniffMs: 300,
        headersMs: 300,
        maxConnections: 20,
        writeStallMs: 300,
        lingerMs: 700,
        maxHeaderBytes: 4096,
      },
      interceptors: [refuseUnread],
    });
  });
  afterEach(() => fake.close());

  function dial(): net.Socket {
    const socket = net.connect({ host: "127.0.0.1", port: fake.server.port, noDelay: true });
    socket.on("error", () => undefined);
    return socket;
  }

  async function answerOf(socket: net.Socket): Promise<string> {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(socket, "close");
    return Buffer.concat(chunks).toString("latin1");
  }

  it("outlives a route that throws", async () => {
    const socket = dial();
    socket.write(GET.replace("/slow", "/throws"));
    assert.equal(await answerOf(socket), "");
    const again = dial();
    again.write(GET);
    assert.match(await answerOf(again), /nothing at \/slow/);
  });

  it("understands HTTP/1.1 that arrives byte by byte", async () => {
    const socket = dial();
    const answer = answerOf(socket);
    for (const byte of GET) {
      socket.write(byte);
      await pause(1);
    }
    assert.match(await answer, /^HTTP\/1.1 404 Not Found[^]*nothing at \/slow/);
  });

  it("understands HTTP/2 whose preface arrives byte by byte", async () => {
    const socket = dial();
    const received: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    for (const byte of PREFACE) {
      socket.write(byte);
      await pause(1);
    }
    socket.write(EMPTY_SETTINGS);
    // Frames of settings (type 4) and the acknowledgement of ours (type 4, flag 1) come back.
    await eventually(
      () => Buffer.concat(received).includes(Buffer.from([0, 0, 0, 4, 1])),
      "settings acknowledged",
    );
    assert.equal(Buffer.concat(received)[3], 4);
    socket.destroy();
  });

  it("takes a first packet that ends within the preface and one that holds more than it", async () => {
    for (const cut of [1, 3, 13, 14, 24]) {
      const socket = dial();
      const received: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => received.push(chunk));
      socket.write(PREFACE.slice(0, cut));
      await pause(10);
      socket.write(Buffer.concat([Buffer.from(PREFACE.slice(cut)), EMPTY_SETTINGS]));
      await eventually(() => Buffer.concat(received).includes(Buffer.from([0, 0, 0, 4, 1])), `cut at ${cut}`);
      socket.destroy();
    }
  });

  it("takes a request with its body in one packet, and two requests in another", async () => {
    const post =
      "POST /tote.agent.v1.AgentService/GetNode HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    const socket = dial();
    const answer = answerOf(socket);
    socket.write(`${post}content-length: 2\r\n\r\n{}${post}content-length: 2\r\nconnection: close\r\n\r\n{}`);
    assert.equal((await answer).match(/"nodeName":"node-a"/g)?.length, 2);
  });

  it("drops connections that stay silent or undecided", async () => {
    for (const start of ["", "PRI * HTTP/2"]) {
      const socket = dial();
      const started = performance.now();
      socket.write(start);
      assert.equal(await answerOf(socket), "");
      const took = performance.now() - started;
      assert.ok(took >= 250 && took < 10_000, `${took} ms`);
    }
  });

  it("drops connections whose request headers do not end", async () => {
    const socket = dial();
    const answer = answerOf(socket);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
    assert.match(await answer, /^HTTP\/1.1 408/);
  });

  it("answers garbage with 400, and garbage after the preface with a closed connection", async () => {
    const garbage = dial();
    garbage.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]));
    assert.match(await answerOf(garbage), /^HTTP\/1.1 400/);

    const broken = dial();
    broken.write(`${PREFACE}this is no frame but a long sentence`);
    await answerOf(broken);
    await eventually(() => fake.server.connections() === 0, "both closed");
    assert.deepEqual(
      fake.logs.filter(({ level }) => level !== "debug"),
      [],
    );
  });

  it("refuses headers over the limit in both versions", async () => {
    const socket = dial();
    const answer = answerOf(socket);
    socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-big: ${"a".repeat(5000)}\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1.1 431/);

    const session = http2.connect(fake.url);
    session.on("error", () => undefined);
    const request = session.request({ ":path": "/", "x-big": "a".repeat(80_000) });
    await assert.rejects(once(request, "response"));
    session.destroy();
  });

  it("refuses connections over the limit and takes new ones when others have gone", async () => {
    const held = Array.from({ length: 20 }, dial);
    await eventually(() => fake.server.connections() === 20, "20 connections");
    assert.equal(await answerOf(dial()), "");
    for (const socket of held) socket.destroy();
    await eventually(() => fake.server.connections() === 0, "all gone");
    const socket = dial();
    socket.write(GET);
    assert.match(await answerOf(socket), /404/);
  });

  it("answers 400 to a request without host", async () => {
    const socket = dial();
    socket.write(
      "POST /tote.agent.v1.AgentService/GetNode HTTP/1.0\r\ncontent-type: application/json\r\n\r\n",
    );
    assert.match(await answerOf(socket), /^HTTP\/1.1 400/);
  });

  for (const version of ["1.1", "2"] as const) {
    function connect() {
      const sessionManager = new Http2SessionManager(fake.url);
      const baseUrl = fake.url;
      const transport =
        version === "2"
          ? createConnectTransport({ baseUrl, httpVersion: version, sessionManager })
          : createConnectTransport({ baseUrl, httpVersion: version });
      return { client: createClient(AgentService, transport), disconnect: () => sessionManager.abort() };
    }

    it(`ends the handler of a client that cancels over HTTP/${version}`, async () => {
      for (const digest of ["endless", "silent"]) {
        const { client, disconnect } = connect();
        const stop = new AbortController();
        const stream = client.exportBlob({ digest }, { signal: stop.signal })[Symbol.asyncIterator]();
        await stream.next();
        stop.abort();
        await rejection(() => stream.next());
        await eventually(() => fake.events.length > 0, "the handler has ended");
        assert.deepEqual(fake.events.splice(0), ["exportBlob finally"]);
        disconnect();
      }
      await eventually(() => fake.server.connections() === 0, "the connection is closed");
    });

    it(`ends the handler of a client that reads nothing for too long over HTTP/${version}`, async () => {
      const { client, disconnect } = connect();
      const stream = client.exportBlob({ digest: "large", offset: 1000n })[Symbol.asyncIterator]();
      await stream.next();
      await eventually(() => fake.events.length > 0, "the handler has ended");
      assert.deepEqual(fake.events, ["exportBlob finally"]);
      const failure = await rejection(async () => {
        for (let item = await stream.next(); item.done !== true; item = await stream.next());
      });
      assert.ok(failure.rawMessage !== "");
      disconnect();
    });
  }

  // refused by the handler after the first message, and by an interceptor before any
  for (const headers of [{}, { "x-refuse": "1" }]) {
    const when = "x-refuse" in headers ? "unread" : "after its first message";
    const type = { "content-type": "application/connect+json", ...headers };
    const path = "/tote.agent.v1.AgentService/ImportBlob";
    const first = '\0\0\0\0\x1e{"header":{"digest":"refuse"}}';

    it(`cuts an HTTP/1.1 upload that goes on although it was refused ${when}`, async () => {
      const request = http.request(`${fake.url}${path}`, { method: "POST", headers: type });
      const closed = new Promise((resolve) => request.on("close", resolve));
      request.on("error", () => undefined);
      request.write(first);
      const [response] = await once(request, "response");
      response.on("error", () => undefined);
      const answer: Buffer[] = [];
      response.on("data", (chunk: Buffer) => answer.push(chunk));
      // Not by a loop: that would wait for the request to end, too.
      await new Promise((resolve) => response.on("end", resolve));
      assert.match(answer.join(""), /permission_denied/);
      const more = setInterval(() => request.write(Buffer.alloc(1024)), 5);
      await closed.finally(() => clearInterval(more));
      await eventually(() => fake.server.connections() === 0, "the connection is closed");
    });

    it(`cuts an HTTP/2 upload that goes on although it was refused ${when}`, async () => {
      const session = http2.connect(fake.url);
      const stream = session.request({ ":method": "POST", ":path": path, ...type });
      const closed = new Promise((resolve) => stream.on("close", resolve));
      stream.on("error", () => undefined);
      stream.write(first);
      assert.match((await collect<Buffer>(stream)).join(""), /permission_denied/);
      const more = setInterval(() => stream.write(Buffer.alloc(1024)), 5);
      await closed.finally(() => clearInterval(more));
      session.close();
      await eventually(() => fake.server.connections() === 0, "the connection is closed");
    });
  }

  it("prints nothing and leaves no connection behind after many calls of many kinds", async (t) => {
    const out = t.mock.method(process.stdout, "write");
    const err = t.mock.method(process.stderr, "write");
    const errors = t.mock.method(console, "error");
    for (let round = 0; round < 10; round += 1) {
      const session = http2.connect(fake.url);
      session.on("error", () => undefined);
      const request = session.request({
        ":method": "POST",
        ":path": "/tote.agent.v1.AgentService/ExportBlob",
        "content-type": "application/connect+json",
      });
      request.on("error", () => undefined);
      request.end('\0\0\0\0\x14{"digest":"endless"}');
      await once(request, "data");
      if (round % 2 === 0) session.destroy();
      else request.close(http2.constants.NGHTTP2_CANCEL, () => session.close());
      const socket = dial();
      socket.write(GET.slice(0, 10 + round));
      await pause(5);
      socket.resetAndDestroy();
    }
    await eventually(() => fake.server.connections() === 0, "all closed");
    await eventually(() => fake.events.length === 10, "all handlers ended");
    for (const stream of [out, err]) {
      const lines = stream.mock.calls.map(({ arguments: [chunk] }) => String(chunk));
      assert.deepEqual(
        lines.filter((line) => /failed|ECANCELED|ConnectError/.test(line)),
        [],
      );
    }
    assert.equal(errors.mock.callCount(), 0);
  });
});
