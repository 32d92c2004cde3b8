import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import type { ConnectionOptions } from "node:tls";
import { after, before, describe, it } from "node:test";

import { Code } from "@connectrpc/connect";

import { ROLES } from "../../lib/roles.ts";
import { freePorts } from "../../test/harness/ports.ts";
import {
  collect,
  createTestPki,
  dialOptions,
  eventually,
  type FakeAgent,
  pause,
  rejection,
  startFakeAgent,
  type TestPki,
} from "../rpc/fake-agent.ts";
import { type BlobStreamOptions, openBlobStream } from "./blob-stream.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { BlobMessage } from "./peer.ts";
import { PeerConnections } from "./peer-connections.ts";

const pools: PeerConnections[] = [];

type Changes = Partial<BlobStreamOptions> & { readonly tls?: ConnectionOptions };

function request(endpoint: string, digest: string, { tls, ...more }: Changes = {}): BlobStreamOptions {
  const { signal } = new AbortController();
  const connections = new PeerConnections(() => tls);
  pools.push(connections);
  return {
    connections,
    // without anything kept no memory is used twice, so that messages may be collected
    buffers: new BufferPool({ minBytes: 1, maxBytes: 2 * 1_048_576, keep: 0 }),
    endpoint,
    digest,
    offset: 0,
    imageDigest: "",
    grant: "",
    signal,
    connectTimeoutMs: 1_000,
    idleTimeoutMs: 1_000,
    ...more,
  };
}

function lengthsOf(messages: readonly BlobMessage[]): readonly (readonly [string, number])[] {
  return messages.map((message) =>
    "size" in message ? ["size", message.size] : ["data", message.data.byteLength],
  );
}

function portOf(server: net.Server): number {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

describe("reading a blob of another agent", () => {
  let pki: TestPki;
  let plain: FakeAgent;
  let secure: FakeAgent;
  let tls: ReturnType<typeof dialOptions>;

  before(async () => {
    pki = await createTestPki();
    plain = await startFakeAgent();
    secure = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    tls = dialOptions(await pki.issue(ROLES.agent));
  });
  after(() => Promise.all([plain.close(), secure.close()]));

  it("yields the size, then the bytes, with and without TLS", async () => {
    for (const [endpoint, options] of [
      [plain.url, {}],
      [secure.url, { tls }],
    ] as const) {
      for (const [digest, bytes] of [
        ["count", 1024],
        ["large", 1_048_576],
      ] as const) {
        const messages = await collect(openBlobStream(request(endpoint, digest, { offset: 3, ...options })));
        assert.deepEqual(lengthsOf(messages), [
          ["size", 3 * bytes],
          ["data", bytes],
          ["data", bytes],
          ["data", bytes],
        ]);
        const fills = messages.map((message) => ("data" in message ? [...new Set(message.data)] : []));
        assert.deepEqual(fills, [[], [0], [1], [2]]);
      }
    }
  });

  it("yields only the size of an empty rest", async () => {
    assert.deepEqual(lengthsOf(await collect(openBlobStream(request(plain.url, "count")))), [["size", 0]]);
  });

  it("throws the other agent's error after the bytes that came before it", async () => {
    const received: BlobMessage[] = [];
    const failure = await rejection(async () => {
      for await (const message of openBlobStream(request(plain.url, "late", { offset: 5 })))
        received.push(message);
    });
    assert.equal(failure.code, Code.DataLoss);
    assert.equal(failure.rawMessage, "sha256:a is not sha256:b");
    assert.deepEqual(lengthsOf(received), [
      ["size", 5120],
      ["data", 1024],
      ["data", 1024],
    ]);
  });

  it("is refused by its role", async () => {
    const operator = dialOptions(await pki.issue(ROLES.operator));
    const failure = await rejection(() =>
      collect(openBlobStream(request(secure.url, "count", { tls: operator }))),
    );
    assert.equal(failure.code, Code.PermissionDenied);
    assert.match(failure.rawMessage, /^tote-operator may not call ExportBlob/);
  });

  it("ends the other agent's work when it is left, or its signal fires, also before it began", async () => {
    plain.events.length = 0;
    for await (const message of openBlobStream(request(plain.url, "endless"))) if ("data" in message) break;
    await eventually(() => plain.events.length === 1, "the handler has ended");

    const stop = new AbortController();
    const stream = openBlobStream(request(plain.url, "silent", { signal: stop.signal }));
    await stream.next();
    stop.abort();
    assert.equal((await rejection(() => stream.next())).code, Code.Canceled);
    await eventually(() => plain.events.length === 2, "the handler has ended");

    assert.equal(
      (await rejection(() => collect(openBlobStream(request(plain.url, "endless", { signal: stop.signal })))))
        .code,
      Code.Canceled,
    );
    assert.deepEqual(plain.events, ["exportBlob finally", "exportBlob finally"]);
  });

  it("says deadline_exceeded when the other agent falls silent within the stream", async () => {
    const stream = openBlobStream(request(plain.url, "silent", { idleTimeoutMs: 150 }));
    await stream.next();
    const started = performance.now();
    const failure = await rejection(() => stream.next());
    assert.equal(failure.code, Code.DeadlineExceeded);
    assert.equal(failure.rawMessage, "nothing received for 0.15 s");
    assert.ok(performance.now() - started >= 140);
  });

  it("does not take its own reader's slowness for silence", async () => {
    const stream = openBlobStream(request(plain.url, "large", { offset: 20, idleTimeoutMs: 1_000 }));
    let bytes = 0;
    for await (const message of stream) {
      if (!("data" in message)) continue;
      bytes += message.data.byteLength;
      if (bytes === 2 * 1_048_576) await pause(1_500);
    }
    assert.equal(bytes, 20 * 1_048_576);
  });

  it("holds the other agent back while nobody reads", async () => {
    const atFirst = plain.produced();
    const stream = openBlobStream(request(plain.url, "large", { offset: 200 }));
    await stream.next();
    let produced = -1;
    while (produced !== plain.produced()) {
      produced = plain.produced();
      await pause(300);
    }
    // What both sides keep ready and the kernel's buffers between them.
    assert.ok(produced - atFirst < 50, `${produced - atFirst} MiB are under way`);
    await stream.return();
  });

  it("says unavailable when nobody listens, or TLS does not agree", async () => {
    const [port = 0] = await freePorts(1);
    const refused = await rejection(() =>
      collect(openBlobStream(request(`http://127.0.0.1:${port}`, "count"))),
    );
    assert.equal(refused.code, Code.Unavailable);
    assert.match(refused.rawMessage, /^cannot read from http:\/\/127.*ECONNREFUSED/);

    const untrusted = await rejection(() =>
      collect(openBlobStream(request(secure.url, "count", { tls: { ...tls, ca: "" } }))),
    );
    assert.equal(untrusted.code, Code.Unavailable);
    const controllers = dialOptions(await pki.issue(ROLES.agent), ROLES.controller);
    const wrongRole = await rejection(() =>
      collect(openBlobStream(request(secure.url, "count", { tls: controllers }))),
    );
    assert.equal(wrongRole.code, Code.Unavailable);
    assert.match(wrongRole.rawMessage, /peer is tote-agent, expected tote-controller/);
  });

  it("says unavailable when no connection comes about in time", async () => {
    // Takes connections, but never answers a TLS handshake.
    const mute = net.createServer(() => undefined).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const port = portOf(mute);
    const failure = await rejection(() =>
      collect(openBlobStream(request(`https://127.0.0.1:${port}`, "count", { tls, connectTimeoutMs: 100 }))),
    );
    assert.equal(failure.code, Code.Unavailable);
    assert.match(failure.rawMessage, /^no connection to https:.* within 0.1 s$/);

    const unanswered = await rejection(() =>
      collect(openBlobStream(request(`http://127.0.0.1:${port}`, "count", { idleTimeoutMs: 100 }))),
    );
    assert.equal(unanswered.code, Code.DeadlineExceeded);
    assert.match(unanswered.rawMessage, /has not answered for 0.1 s$/);
    mute.close();
  });

  it("says unavailable when the source is killed in the middle", async () => {
    const child = fork(new URL("../rpc/fake-agent.fixture.ts", import.meta.url), { stdio: "inherit" });
    const [url] = await once(child, "message");
    const stream = openBlobStream(request(String(url), "endless"));
    for (let index = 0; index < 5; index += 1) await stream.next();
    child.kill("SIGKILL");
    const failure = await rejection(async () => {
      for await (const _ of stream);
    });
    assert.equal(failure.code, Code.Unavailable);
  });

  for (const [what, status, type, body, code] of [
    ["has no such method", 404, "text/plain", "", Code.Unimplemented],
    ["is overloaded", 503, "text/plain", "", Code.Unavailable],
    ["answers in another type", 200, "text/html", "<html>", Code.Internal],
    ["ends without saying so", 200, "application/connect+proto", "", Code.Unavailable],
    ["ends within a message", 200, "application/connect+proto", "\0\0\0\0\x09abc", Code.Unavailable],
    [
      "sends a size that cannot be",
      200,
      "application/connect+proto",
      "\0\0\0\0\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
      Code.Internal,
    ],
  ] as const) {
    it(`says ${Code[code]} when the other side ${what}`, async () => {
      const server = http.createServer((_, response) => {
        response.writeHead(status, { "content-type": type, location: plain.url });
        response.end(Buffer.from(body, "latin1"));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const port = portOf(server);
      const failure = await rejection(() =>
        collect(openBlobStream(request(`http://127.0.0.1:${port}`, "count"))),
      );
      assert.equal(failure.code, code, failure.message);
      server.close();
    });
  }

  it("follows no redirect", async () => {
    const server = http.createServer((_, response) => {
      response.writeHead(307, { location: `${plain.url}/tote.agent.v1.AgentService/ExportBlob` });
      response.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const port = portOf(server);
    const failure = await rejection(() =>
      collect(openBlobStream(request(`http://127.0.0.1:${port}`, "count"))),
    );
    assert.match(failure.rawMessage, /HTTP status 307/);
    server.close();
  });

  it("leaves no connection open but those that are kept", async () => {
    for (const pool of pools) pool.close();
    await eventually(
      () => plain.server.connections() + secure.server.connections() === 0,
      "all connections closed",
    );
  });
});
